# In a devnet: its nodes by host names, as a client knows them.
says() { grep -qF -- "$1" said || { echo "lacking: $1"; cat said; exit 1; }; }
fails() { local code=0; "${@:2}" >said 2>&1 || code=$?; [ $code -eq "$1" ] || { cat said; exit 1; }; }

printf '%s\n' '::1 node-one' '192.0.2.7 node-old' >>/etc/hosts
named() { sed "s/\[::1\]:740/$1:740/" hypermesh-devnet/context.toml >hypermesh-devnet/$1.toml; }
named node-one
named node-old
named node-none
hypermesh --context hypermesh-devnet/node-one.toml caesar balance
grep -q 'address = "node-one:7401"' hypermesh-devnet/node-one.toml
! grep -q '\[::1\]:740' hypermesh-devnet/node-one.toml
hypermesh --context hypermesh-devnet/node-one.toml node status

fails 4 hypermesh --context hypermesh-devnet/node-old.toml caesar balance
says 'no node is reachable'
says 'host node-old has only IPv4 addresses (192.0.2.7), and STOQ requires IPv6'
fails 4 hypermesh --context hypermesh-devnet/node-none.toml caesar balance
says 'host node-none is not found'
# One that leads somewhere is enough.
sed -i '0,/node-none/s//node-one/' hypermesh-devnet/node-none.toml
hypermesh --context hypermesh-devnet/node-none.toml caesar balance

hash=$(sed -n 's/^genesis = "\(.*\)"/\1/p' hypermesh-devnet/context.toml)
hypermesh context new --node node-one:7402 --genesis "$hash" --key other.key --out other.toml
grep -m 1 address other.toml | grep -qF 'node-one:7402'
