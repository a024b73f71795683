#!/bin/sh
# Packs the plugin for krew: the program and the licence into an archive, and beside it the manifest that describes the archive.
#
#   krew/pack.sh PROGRAM FOLDER URL
#
# URL is where the archive will be found once somebody has put it there.
set -eu

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

program=$1 folder=$2 url=$3
here=$(cd "$(dirname "$0")" && pwd)
version=v$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../Cargo.toml" | head -n 1)
os=$(uname -s | tr '[:upper:]' '[:lower:]')
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) echo "krew knows no platform $(uname -m) for this program" >&2 && exit 1 ;;
esac
archive=kubectl-jira_${version}_${os}_$arch.tar.gz

mkdir -p "$folder"
tar -czf "$folder/$archive" -C "$(dirname "$program")" "$(basename "$program")" -C "$here/.." LICENSE
sha256=$(sha256 "$folder/$archive")
sed -e '/^# The plugin for krew/d' -e "s|@VERSION@|$version|; s|@URL@|$url|; s|@OS@|$os|; s|@ARCH@|$arch|" \
	-e "s|@ARCHIVE@|$archive|; s|@SHA256@|$sha256|" "$here/jira.yaml" >"$folder/jira.yaml"
echo "Packed $folder/$archive, described by $folder/jira.yaml. To try it: kubectl krew install --manifest=$folder/jira.yaml --archive=$folder/$archive"
