#!/bin/sh
# Makes the certificates that the examples name, for this machine alone: an authority, a site, another host, a client, and a
# revocation list. Run it again when they have expired.
set -eu
cd "$(dirname "$0")"

new_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}

# NAME SUBJECT EXTENSIONS
issue() {
    new_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
    printf '%s\n' "$3" subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

new_key ca
openssl req -x509 -new -key ca.key -days 365 -subj "/CN=Examples" -out ca.pem \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
issue site localhost "subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth"
issue org www.example.org "subjectAltName=DNS:example.org,DNS:*.example.org
extendedKeyUsage=serverAuth"
issue client alice "extendedKeyUsage=clientAuth"

# A key that a password opens.
openssl pkcs8 -topk8 -in org.key -out org-encrypted.key -passout pass:opensesame

# An empty revocation list.
: >index.txt
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=365\n' >ca.cnf
openssl ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key -out ca.crl
rm -f index.txt index.txt.attr ca.cnf ca.srl

cat org.pem ca.pem >chain.tmp && mv chain.tmp org.pem
chmod 600 ./*.key
date >made
echo "made in $(pwd): $(echo *.pem *.crl)"
