#!/bin/sh
# Finishes the root filesystem $1, beside this script and what it copies.
set -e
root=$1

cp hello.go "$root/root/"
chroot "$root" sh -c 'cd /root && HOME=/root CGO_ENABLED=0 go build -ldflags=-s -o /usr/local/bin/hello-go hello.go'
cp hello-rust "$root/usr/local/bin/"
# PostgreSQL wants its user to have a name.
echo 'agent:x:1000:1000:agent:/tmp:/bin/sh' >> "$root/etc/passwd"

# The Go compiler has done its work; nobody reads the rest.
rm -rf "$root"/usr/lib/go-* "$root"/usr/share/go-* "$root"/root/hello.go "$root"/root/.cache
rm -rf "$root"/usr/share/doc "$root"/usr/share/locale "$root"/usr/share/man
