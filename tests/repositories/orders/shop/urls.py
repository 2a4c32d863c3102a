from django.http import HttpResponse
from django.urls import path

from shop.models import Order
from shop.tasks import notify


def home(request):
    order = Order.objects.create()
    notify.delay(order.id)
    return HttpResponse(f"orders, first edition: {Order.objects.count()}\n")


def health(request):
    return HttpResponse("ok\n", status=200)


urlpatterns = [
    path("", home),
    path("healthz/", health),
]
