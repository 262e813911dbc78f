#!/bin/sh
# The system packages that tests need: installed when root, otherwise named. What cannot run without
# them is skipped by name.
# libllvm19: Mitsuba compiles with it (simulation). libusb: librealsense (baselines, SDK recordings)
# links to it. chromium: opens reports. xvfb and Tk: the windows of live and cross-section.
packages="libllvm19 libusb-1.0-0 chromium xvfb python3-tk"
missing=""
for package in $packages; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # Where it cannot be had (another distribution), the tests that need it are skipped.
    { apt-get update -qq && apt-get install -y -qq $missing; } >/dev/null 2>&1 ||
        echo "could not install:$missing; the tests that need them are skipped"
else
    echo "tests that need system packages are skipped; to run them: sudo apt-get install$missing"
fi
