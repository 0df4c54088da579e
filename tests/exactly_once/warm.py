"""What the fork server of the workers has imported and made before it forks the first."""

from jobs import worker
from wsgi import app

with app.app_context():
    worker.warm_up()
