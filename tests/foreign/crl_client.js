// Connects to HOST at PORT of ::1 and verifies it under CA and the revocation lists in CRL, one for each authority.
"use strict";

const fs = require("node:fs");
const tls = require("node:tls");

const [host, port, ca, crl] = process.argv.slice(2);
// Node reads the first list of each text: each has to be a text of its own.
const lists = fs.readFileSync(crl, "utf8").match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g);
const socket = tls.connect({
  host: "::1",
  port: Number(port),
  servername: host,
  ca: fs.readFileSync(ca),
  crl: lists,
  timeout: 10_000,
});
const end = (code, text) => {
  if (text) console.error(text);
  socket.destroy();
  process.exit(code);
};
socket.on("secureConnect", () => end(0));
socket.on("error", (refusal) => end(1, `refused: ${refusal.message}`));
socket.on("timeout", () => end(2, "no answer"));
