"""Calls the shop's orders through a sidecar: `grpcio_client.py PROTO_FOLDER PORT`.

Prints what came back as one JSON object. Sets nothing but the address: no authority, no metadata,
no credentials.
"""

import json
import sys
import tempfile

import grpc
from grpc_tools import protoc


def stubs(proto_folder):
    """Generates the shop's stubs into a folder that is gone afterwards, and imports them."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"-I{proto_folder}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
        if protoc.main(["protoc", *options, "shop.proto"]) != 0:
            sys.exit("protoc refused shop.proto")
        sys.path.insert(0, folder)
        import shop_pb2
        import shop_pb2_grpc

        return shop_pb2, shop_pb2_grpc


def main(proto_folder, port):
    shop, services = stubs(proto_folder)
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        orders = services.OrdersStub(channel)
        bread = [shop.Item(article="bread", pieces=pieces) for pieces in (1, 2)]
        order = orders.Get(shop.OrderId(id=1), timeout=20)
        placed = orders.Place(bread[1], timeout=20)
        watched = orders.Watch(shop.OrderId(id=1), timeout=20)
        priced = orders.Price(iter(bread), timeout=20)
        answers = {
            "get": [order.article, order.served_by],
            "place": [placed.total_cents, placed.paid],
            "watch": [progress.step for progress in watched],
            "price": [total.cents for total in priced],
        }
    print(json.dumps(answers))


main(sys.argv[1], sys.argv[2])
