"""A client of the classic dialect, as people wrote it: one socket, send(), recv(4096), nothing terminated.

Reads commands from stdin, one per line, and prints one numbered line when each is done:

    beat COUNT SECONDS   HEARTBEAT every so many seconds
    say TEXT             one line of chat, without a newline
    hear                 print what recv() gives
    file PATH            offer it, wait for exactly READY|name, send it in pieces of 4096 bytes
    offer NAME SIZE      offer only, and print the answer
    last WORD            send the word and wait until the server closes
"""

import os
import socket
import sys
import time

BUFFER = 4096


def send_file(connection, path):
    name = os.path.basename(path)
    connection.send(f"{name}|{os.path.getsize(path)}".encode())
    answer = connection.recv(BUFFER).decode()
    if answer == f"READY|{name}":
        with open(path, "rb") as file:
            while piece := file.read(BUFFER):
                connection.sendall(piece)
    return answer


def run(connection, command, argument):
    if command == "beat":
        count, seconds = argument.split()
        for _ in range(int(count)):
            connection.send(b"HEARTBEAT")
            time.sleep(float(seconds))
        return "beaten"
    if command == "say":
        connection.send(argument.encode())
        return "said"
    if command == "hear":
        return repr(connection.recv(BUFFER))
    if command == "file":
        return send_file(connection, argument)
    if command == "offer":
        connection.send("|".join(argument.split()).encode())
        return connection.recv(BUFFER).decode()
    if command == "last":
        connection.send(argument.encode())
        return repr(connection.recv(BUFFER))
    raise ValueError(command)


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    with socket.create_connection((host, port), timeout=30) as connection:
        for number, line in enumerate(sys.stdin, 1):
            command, _, argument = line.rstrip("\n").partition(" ")
            print(f"{number}: {run(connection, command, argument)}", flush=True)


main()
