# Every node's port has changed, and each is told one other by its host name, which at first leads nowhere.
sed -i 's/^::1 node-one$/2001:db8::99 node-one/' /etc/hosts
hint() { printf '[peers]\nnode-%s = "node-one:745%s"\n' "$2" "$2" >>hypermesh-devnet/node-$1/node.toml; }
for number in 1 2 3 4; do
    sed -i "s/^listen = .*/listen = \"[::1]:745$number\"/" hypermesh-devnet/node-$number/node.toml
done
hint 2 1
hint 3 2
hint 4 2
nodes=()
trap 'kill "${nodes[@]}"; wait' EXIT
for number in 1 2 3 4; do
    hypermesh node run --data-dir hypermesh-devnet/node-$number 2>moved-$number.log &
    nodes+=($!)
done
for number in 2 3 4; do
    until hypermesh node status --data-dir hypermesh-devnet/node-$number >said 2>&1; do sleep 0.2; done
    grep -q ' 1 of 4 linked' said || { cat said; exit 1; }
done
sed -i 's/^2001:db8::99 node-one$/::1 node-one/' /etc/hosts
for number in 1 2 3 4; do
    hypermesh --timeout 120 node status --data-dir hypermesh-devnet/node-$number --until-ready >/dev/null ||
        { tail -n 20 moved-*.log; exit 1; }
done
