#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A token endpoint for tests: token_server.py CERT KEY LOG. Prints its port; serves on loopback until its input ends."""

import base64
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.parse

cert, key, log = sys.argv[1:]
refresh = ["refresh-0"]
count = [0]


class Endpoint(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, chunked=False):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not chunked:
            self.wfile.write(data)
            return
        for i in range(0, len(data), 7):
            part = data[i : i + 7]
            self.wfile.write(b"%x;note=x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def client(self, form):
        """Who asks, and how he says it."""
        head = self.headers.get("Authorization", "")
        if head.startswith("Basic "):
            return base64.b64decode(head[6:]).decode(), "basic"
        if "client_id" in form:
            return form["client_id"] + ":" + form.get("client_secret", ""), "form"
        return "", "none"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(body))
        who, how = self.client(form)
        count[0] += 1
        n = count[0]
        with open(log, "a", encoding="ascii") as f:
            f.write("%s %s %s\n" % (self.path, self.headers.get("Authorization", "-"), body))
        path = self.path.split("?")[0]
        if path == "/client":
            good = who == "client%201:s3cret%2Fvalue%3Amore" and how == "basic"
            good = good and form == {"grant_type": "client_credentials", "scope": "read write"}
            self.answer(200 if good else 400, {"access_token": "client-token-%04d" % n, "expires_in": 2}, True)
        elif path == "/form":
            if how == "form" and who == "client:secretary":
                self.answer(200, {"access_token": "form-token-of-test", "expires_in": "3600"})
            else:
                self.answer(401, {"error": "invalid_client"})
        elif path == "/refresh":
            if form.get("refresh_token") != refresh[0]:
                self.answer(400, {"error": "invalid_grant"})
                return
            refresh[0] = "refresh-%d" % n
            self.answer(200, {"access_token": "access-token-%04d" % n, "expires_in": 2, "refresh_token": refresh[0]})
        elif path == "/app":
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
            self.answer(201, {"token": "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "expires_at": at})
        elif path == "/once":
            if n == 1:
                self.answer(200, {"access_token": "token-that-is-had-once", "expires_in": 2})
            else:
                self.answer(503, {})
        elif path == "/forbidden":
            self.answer(403, b"<html>no, and this text is not repeated</html>")
        elif path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/form")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/lines":
            self.answer(200, {"access_token": "token\r\nInjected: yes"})
        elif path == "/cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{")
            self.close_connection = True
        else:
            self.answer(200, {"nothing": "of use"})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
