"""The guided set-up of a platform: which steps there are, how far they are, and the last two at one click."""
