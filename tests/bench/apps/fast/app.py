"""The same short answer to everything, at the least cost that Python allows.

One thread, one epoll; a request is whatever one read brings, which holds for
the small GETs that `throughput` sends.
"""

import os
import select
import socket

VERSION = "one"


def serve(port: int) -> None:
    body = f"{VERSION}\n".encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
            elif _receive(clients[number]):
                clients[number].send(answer)
            else:
                clients.pop(number).close()


def _receive(client: socket.socket) -> bool:
    try:
        return bool(client.recv(65536))
    except OSError:
        return False


if __name__ == "__main__":
    serve(int(os.environ["PORT"]))
