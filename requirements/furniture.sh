#!/bin/sh
# Debian's furniture library for the simulator, fetched by apt and unpacked into the user's cache,
# so that no root is needed. Licences: CC0, CC-BY 3.0 and CC-BY 3.0 US (see docs/simulator.md).
set -e
package=sweethome3d-furniture
library=usr/share/sweethome3d/furniture
target="${XDG_CACHE_HOME:-$HOME/.cache}/rs_denoise/sweethome3d"
for root in / "$target/"; do
    if ls "$root$library"/*.sh3f >/dev/null 2>&1; then
        echo "furniture is in $root$library"
        exit 0
    fi
done
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "furniture is a Debian package, and apt-get is not installed: download" >&2
    echo "https://packages.debian.org/$package, unpack it into $target;" >&2
    echo "without it the simulator fills its scenes with primitives" >&2
    exit 1
fi
mkdir -p "$target"
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
# apt drops its rights while it downloads, and must be able to write here.
chmod 777 "$download"
if ! (cd "$download" && apt-get download -qq "$package"); then
    echo "apt-get download $package failed: run 'sudo apt-get update', check the network;" >&2
    echo "without furniture the simulator fills its scenes with primitives" >&2
    exit 1
fi
dpkg-deb -x "$download"/*.deb "$target"
echo "furniture is in $target/$library"
