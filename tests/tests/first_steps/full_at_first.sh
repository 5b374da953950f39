# The first start of a node whose disk has too little room for a store: that is said, and nothing of a store that was not
# closed, for there was none. Beside a devnet, of which the node is one.
failed=0
for kib in 40 64 128 256 512 1024 1536 2048 4096; do
    rm -rf tiny && mkdir tiny && mount -t tmpfs -o size=${kib}k tmpfs tiny
    cp hypermesh-devnet/node-1/{identity.key,node.toml} tiny/
    sed -i 's|^genesis = .*|genesis = "../hypermesh-devnet/genesis.json"|' tiny/node.toml
    ln -s ../hypermesh-devnet/node-1/plot tiny/plot
    code=0
    timeout 5 hypermesh node run --data-dir tiny >said 2>&1 || code=$?
    umount -l tiny
    # One that ran has a store.
    if [ $code -eq 124 ] || grep -q ' audit: running ' said; then continue; fi
    failed=$((failed + 1))
    if grep -E 'closed cleanly|recover|not closed' said; then cat said; exit 1; fi
done
test $failed -gt 0
