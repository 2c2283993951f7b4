# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the scripts share: messages, the package lists, Debian's release, the cache of roots.
# POSIX sh, because a fresh Debian's /bin/sh is all they may rely on. Source it after setting
# SLUICE_SOURCE to the top of the tree.

SLUICE_CACHE=${SLUICE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sluice}
export SLUICE_CACHE

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
	SL_BOLD=$(printf '\033[1m') SL_PLAIN=$(printf '\033[0m')
else
	SL_BOLD='' SL_PLAIN=''
fi

# All messages go to stderr: stdout belongs to results.
say() {
	printf '%s\n' "$*" >&2
}

step() {
	printf '%s==> %s%s\n' "$SL_BOLD" "$*" "$SL_PLAIN" >&2
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

usage_error() {
	printf '%s: %s; see %s --help\n' "${0##*/}" "$*" "$0" >&2
	exit 2
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# Debian's major release: 12, 13; testing and unstable, which name none, count as the newest.
debian_release() {
	[ -r /etc/os-release ] || return 1
	# A subshell, so that its variables stay there.
	(
		. /etc/os-release
		[ "${ID:-}" = debian ] || exit 1
		printf '%s\n' "${VERSION_ID:-13}"
	)
}

suite_release() {
	case $1 in
	bookworm) echo 12 ;;
	trixie) echo 13 ;;
	*) return 1 ;;
	esac
}

release_suite() {
	case $1 in
	12) echo bookworm ;;
	13) echo trixie ;;
	*) return 1 ;;
	esac
}

# packages_of RELEASE SET...: the names, one a line, each once.
packages_of() {
	_release=$1
	shift
	for _set in "$@"; do
		awk -v set="$_set" -v release="$_release" \
			'$1 == set && ($2 == "*" || $2 == release) { print $3 }' \
			"$SLUICE_SOURCE/scripts/packages.txt"
	done | awk '!seen[$0]++'
}

package_reason() {
	awk -v name="$1" '$3 == name && $1 != "client" {
		$1 = $2 = $3 = ""; sub(/^ +/, ""); print; exit }' "$SLUICE_SOURCE/scripts/packages.txt"
}

# The packages among the arguments that are not installed. One dpkg-query for all of them keeps a
# second run of set-up fast.
packages_missing() {
	dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
		awk -v wanted="$*" '
			$1 == "ii" || $1 == "hi" { there[$2] = 1 }
			END {
				n = split(wanted, w, " ")
				for (i = 1; i <= n; i++) {
					if (!(w[i] in there)) {
						print w[i]
					}
				}
			}'
}

# Whether a user namespace can be made here, by the present user.
have_userns() {
	unshare --user --map-root-user true 2>/dev/null
}

n_processors() {
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
}
