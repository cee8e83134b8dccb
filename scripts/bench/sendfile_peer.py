"""The fastest way that Python knows to send files over TCP, as a baseline for the file benchmark.

sendfile_peer.py receive PORT FOLDER    says "ready" on stderr, takes one connection, stores what comes
sendfile_peer.py send PORT PATH         sends a file, or every file of a folder

On the wire each file is: length of its name (2 bytes), size (8 bytes), name, bytes. Nothing is checked, nothing is synced.
"""

import os
import socket
import struct
import sys

HEAD = struct.Struct("!HQ")
BUFFER_BYTES = 1 << 20


def send(port, path):
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        base = os.path.basename(path)
        if not os.path.isdir(path):
            send_file(peer, base, path)
            return
        for entry in os.scandir(path):
            send_file(peer, base + "/" + entry.name, entry.path)


def send_file(peer, name, path):
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        encoded = name.encode()
        peer.sendall(HEAD.pack(len(encoded), size) + encoded)
        at = 0
        while at < size:
            at += os.sendfile(peer.fileno(), file.fileno(), at, size - at)


def receive(port, folder):
    with socket.create_server(("127.0.0.1", port)) as server:
        print("ready", file=sys.stderr, flush=True)
        peer, _ = server.accept()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with peer:
        while head := receive_exactly(peer, HEAD.size):
            length, size = HEAD.unpack(head)
            name = receive_exactly(peer, length).decode()
            receive_file(peer, os.path.join(folder, name), size, buffer)


def receive_exactly(peer, count):
    data = b""
    while len(data) < count:
        piece = peer.recv(count - len(data))
        if not piece:
            if data:
                raise EOFError("the connection ended early")
            break
        data += piece
    return data


def receive_file(peer, path, size, buffer):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb", buffering=0) as file:
        while size > 0:
            count = peer.recv_into(buffer, min(size, len(buffer)))
            if count == 0:
                raise EOFError("the connection ended early")
            file.write(buffer[:count])
            size -= count


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
