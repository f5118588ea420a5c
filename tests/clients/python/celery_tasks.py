"""The tasks of celery_queue.py; REDIS_URL is where broker and results are."""

import os

from celery import Celery

URL = os.environ["REDIS_URL"]
app = Celery("celery_tasks", broker=URL + "/1", backend=URL + "/2")
app.conf.update(task_default_queue="default", broker_transport_options={"visibility_timeout": 30})


@app.task
def add(a, b):
    return a + b


@app.task
def total(values):
    return sum(values)


@app.task(bind=True, max_retries=3)
def flaky(self, name):
    if app.backend.client.incr(name) < 3:
        raise self.retry(countdown=0.1)
    return "third time"


@app.task
def failing():
    raise ValueError("for good")
