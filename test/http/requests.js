// SPDX-License-Identifier: Apache-2.0
// For differential: writes down each request that node's parser (llhttp) reads, as
// "METHOD TARGET BODY" with the last two in hexadecimal, and "closed" behind each connection. The
// first line is the port.
'use strict';
const http = require('http');

const say = (line) => process.stdout.write(line + '\n');
const hex = (data) => Buffer.from(data).toString('hex');

const server = http.createServer({maxHeaderSize: 65536, keepAliveTimeout: 60000}, (request, answer) => {
	const parts = [];
	request.on('data', (part) => parts.push(part));
	request.on('end', () => {
		say(`${request.method} ${Buffer.from(request.url, 'latin1').toString('hex')} ${hex(Buffer.concat(parts))}`);
		answer.end();
	});
	request.on('error', () => {});
});
server.maxRequestsPerSocket = 0;
server.on('connection', (socket) => socket.on('close', () => say('closed')));
server.on('clientError', (error, socket) => socket.destroy());
server.listen(0, '127.0.0.1', () => say(String(server.address().port)));
process.stdin.on('end', () => process.exit(0)).resume();
