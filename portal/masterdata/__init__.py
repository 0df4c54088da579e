"""What documents refer to and a merchant decides: payment and shipping, articles, taxes."""
