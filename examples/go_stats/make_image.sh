#!/bin/bash
# Makes the Docker image dwhitena/stats without a registry: the host's own bash and the few
# commands that stats.sh calls stand in for the golang image of the Dockerfile.
set -euo pipefail
umask 022

image=${1:-dwhitena/stats}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
commands=(bash cat find sort wc xargs)  # what stats.sh calls
commands+=(env ls mkdir rm sleep)     # what one looks around with

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
root=$work/root

# The example's own files, readable by everyone whatever the mode of the checkout. One real bin
# and links to it, as in Debian; libraries stay at the paths the loader looks in.
mkdir -p "$root/bin" "$root/usr" "$root/root"
cp -R -- "$here/rootfs/." "$root"
chmod -R u+rwX,go+rX,go-w "$root"
mkdir -m 1777 "$root/tmp"
ln -s ../bin "$root/usr/bin"
ln -s bash "$root/bin/sh"
for command in "${commands[@]}"; do
    file=$(type -P "$command") || { echo "make_image.sh: this host has no $command" >&2; exit 1; }
    cp -L -- "$file" "$root/bin/$command"
    # ldd says "name => /path (address)" or "/path (address)"; of a static program it has no path
    # to name, and grep finding nothing is no failure.
    { ldd -- "$file" | grep -o '/[^ ]*' || true; } | while IFS= read -r library; do
        mkdir -p "$root${library%/*}"
        cp -L -- "$library" "$root$library"
    done
done

# A fixed order, owner and time: the same files make the same layer, and an image that has that
# layer already stays as it is (docker import would give it a new id, and everything would rerun).
tar -C "$root" -cf "$work/layer.tar" --sort=name --format=gnu \
    --owner=0 --group=0 --numeric-owner --mtime='2016-12-12 00:00Z' .
layer=sha256:$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
there=$(docker image inspect --format '{{join .RootFS.Layers " "}}' "$image" 2>/dev/null) || there=
if [ "$there" = "$layer" ]; then
    echo "the image $image is there already"
    exit
fi
docker import \
    --change 'ENV GOPATH=/go' \
    --change 'ENV PATH=/usr/bin:/bin' \
    --change 'CMD ["/bin/bash"]' \
    "$work/layer.tar" "$image" >/dev/null
echo "made the image $image, $(du -h -- "$work/layer.tar" | cut -f1)"
