#cloud-boothook
#!/bin/sh
# cloudctl's timer: powers this machine off when its time is over, and EC2 then terminates it.
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
root=${CLOUDCTL_ROOT-}
mine=$root/var/lib/cloudctl/${INSTANCE_ID:-instance}
mkdir -p "$mine"

if [ "$1" != watch ]; then
  born=$(cat "$mine/born" 2>/dev/null)
  case $born in '' | *[!0-9]*)
    read -r up _ <"$root/proc/uptime"
    born=$(($(date +%s) - ${up%%.*}))
    echo "$born" >"$mine/born"
  esac
  {
    systemd-run --no-block --collect --unit=cloudctl-timer -p DefaultDependencies=no -p Restart=always \
      -p RestartSec=60 -E INSTANCE_ID="$INSTANCE_ID" /bin/sh "$0" watch "$born" ||
      setsid /bin/sh "$0" watch "$born"
  } >/dev/null 2>&1 </dev/null &
  exit 0
fi

born=$2
imds=http://169.254.169.254/latest
need=X-aws-ec2-metadata-token-ttl-seconds
have=X-aws-ec2-metadata-token
tag=meta-data/tags/instance/cloudctl-ttl

seconds() { # of 1d2h3m4s, into ttl; what is not a duration leaves it as it is
  rest=$1 sum=0
  while [ -n "$rest" ]; do
    number=${rest%%[dhms]*}
    case $number in '' | 0?* | *[!0-9]* | ??????????*) return 1 ;; esac
    rest=${rest#"$number"}
    case $rest in
    d*) unit=86400 ;; h*) unit=3600 ;; m*) unit=60 ;; s*) unit=1 ;; *) return 1 ;;
    esac
    sum=$((sum + number * unit)) rest=${rest#?}
  done
  [ "$sum" -gt 0 ] && ttl=$sum
}

read_tag() {
  if command -v curl >/dev/null; then
    key=$(curl -sfm3 --noproxy '*' -X PUT -H "$need: 60" $imds/api/token) &&
      curl -sfm3 --noproxy '*' -H "$have: $key" $imds/$tag
  elif command -v wget >/dev/null; then
    key=$(wget -qO- -T3 -t1 --no-proxy --method=PUT --header="$need: 60" $imds/api/token) &&
      wget -qO- -T3 -t1 --no-proxy --header="$have: $key" $imds/$tag
  else
    python3 -c 'import sys, urllib.request as u
imds, need, have, tag = sys.argv[1:]
def ask(path, key, value, method="GET"):
  request = u.Request(imds + "/" + path, headers={key: value}, method=method)
  return u.build_opener(u.ProxyHandler({})).open(request, timeout=3).read().decode()
print(ask(tag, have, ask("api/token", need, "60", "PUT")))' $imds $need $have $tag
  fi 2>/dev/null
}

seconds @TTL@
seconds "$(cat "$mine/ttl" 2>/dev/null)"
doubts=0
while :; do
  # The tag is what `cloudctl extend` moves. While it cannot be read, what it said last holds.
  said=$(read_tag) && seconds "$said" && echo "$said" >"$mine/ttl"
  left=$((born + ttl - $(date +%s)))
  [ "$left" -le 60 ] || left=60
  [ "$left" -gt 0 ] || [ -n "$said" ] || [ $((doubts += 1)) -gt 3 ] || left=5
  if [ "$left" -gt 0 ]; then
    sleep "$left"
    continue
  fi
  shutdown -P now
  sleep 60
  poweroff -f
done
