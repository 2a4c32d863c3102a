from celery import shared_task


@shared_task
def notify(number):
    print(f"order {number} is on its way")
