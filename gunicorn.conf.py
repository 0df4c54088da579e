"""What `gunicorn wsgi:app` begins with, unless its options say otherwise."""

# Several threads: within a request Kontor calls its own cloud, and one alone would wait for itself to answer.
worker_class = "gthread"
threads = 8
