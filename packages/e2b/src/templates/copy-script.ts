/** Where the uploaded files of a step are until they are at their target. */
export const STAGE = "/tmp/.template-files";

/**
 * Brings uploaded files to their target as COPY of Docker does. Arguments: the archive, the path of the client's context that is
 * copied (it may have patterns), the target, the owner, the mode (empty: as it is), and the directory in which a relative target
 * begins. GNU tar keeps directories that are there as they are.
 */
export const COPY_SCRIPT = `
set -eu
archive=$1 source=$2 target=$3 owner=$4 mode=$5 directory=$6
case $owner in *:*) ;; *) owner=$owner:$owner ;; esac
case $directory in "~"*) directory=$(eval echo "$directory") ;; esac
cd "$directory"
stage=$(mktemp -d)
tar -xf "$archive" -C "$stage" --no-same-owner
rm -f -- "$archive"
source=\${source#./}
prefix=.
case $source in
  *[*?[]*)
    plain=\${source%%[*?[]*}
    case $plain in */*) prefix=\${plain%/*} ;; esac ;;
  *) if [ -d "$stage/$source" ] && [ ! -h "$stage/$source" ]; then prefix=$source; else prefix=; fi ;;
esac
chown -hR -- "$owner" "$stage"
[ -z "$mode" ] || chmod -R -- "$mode" "$stage"
if [ -z "$prefix" ]; then
  if [ ! -e "$stage/$source" ] && [ ! -h "$stage/$source" ]; then
    echo "$source is not among the uploaded files" >&2
    exit 1
  fi
  case $target in */) mkdir -p -- "$target" ;; *) mkdir -p -- "$(dirname -- "$target")" ;; esac
  [ ! -d "$target" ] || target=\${target%/}/\${source##*/}
  cp -a --remove-destination --no-target-directory -- "$stage/$source" "$target"
else
  if [ ! -d "$target" ]; then
    mkdir -p -- "$target"
    chown -- "$owner" "$target"
  fi
  (cd "$stage/$prefix" && tar -cf - .) | tar -xpf - -C "$target" --no-overwrite-dir
fi
rm -rf -- "$stage"
`;
