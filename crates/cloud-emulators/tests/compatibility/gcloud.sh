#!/usr/bin/env bash
# Drives a Compute Engine emulator with the real gcloud, which knows nothing of it: usage `gcloud.sh URL`.
# HOST_KEY is the host key that VMs boot with. Prints one `ok - ` line for each check, and stops at the first that fails.
set -euo pipefail

url=${1:?usage: gcloud.sh URL}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo test-token >"$folder/token"

export CLOUDSDK_CONFIG=$folder
export CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=$url/compute/v1/
export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=$folder/token
export CLOUDSDK_CORE_PROJECT=gcloud-project
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
export CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true
export CLOUDSDK_CORE_DISABLE_FILE_LOGGING=true
export CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true

vm() { gcloud compute instances "$@" 2>"$folder/stderr" || { cat "$folder/stderr" >&2; return 1; }; }
ok() { echo "ok - $1"; }

# expect WHAT WANTED FOUND
expect() {
  if [ "$2" != "$3" ]; then
    printf 'not ok - %s\n  wanted: %s\n  found:  %s\n' "$1" "$2" "$3"
    exit 1
  fi
  ok "$1"
}

# refused WHAT TEXT COMMAND...: the command must fail, and say TEXT.
refused() {
  local what=$1 text=$2
  shift 2
  if "$@" >"$folder/stdout" 2>&1; then
    printf 'not ok - %s: it was accepted\n' "$what"
    exit 1
  fi
  grep -qF -- "$text" "$folder/stdout" || { printf 'not ok - %s\n' "$what"; cat "$folder/stdout"; exit 1; }
  ok "$what"
}

vm create web-1 --zone us-east1-b --machine-type e2-small \
  --image-family ubuntu-2404-lts-amd64 --image-project ubuntu-os-cloud \
  --boot-disk-size 20GB --boot-disk-type pd-balanced \
  --labels env=ci,team=core --tags http-server --metadata greeting=hello \
  --max-run-duration 2h --instance-termination-action DELETE >"$folder/created"
grep -q 'RUNNING' "$folder/created"
ok 'create waits for RUNNING and prints the VM'

vm create web-2 --zone us-central1-f --machine-type c4a-standard-1 --boot-disk-type hyperdisk-balanced \
  --image-family debian-12-arm64 --image-project debian-cloud --labels env=prod --no-address --metadata enable-guest-attributes=TRUE \
  --provisioning-model SPOT >/dev/null
ok 'create of an arm64 Spot VM without an address'

expect 'list shows both' 'web-1 us-east1-b RUNNING|web-2 us-central1-f RUNNING|' \
  "$(vm list --sort-by name --format 'value[separator=" "](name,zone.basename(),status)' | tr '\n' '|')"
expect 'list by label' 'web-1' "$(vm list --filter labels.env=ci --format 'value(name)')"
expect 'list by label and state' 'web-2' \
  "$(vm list --filter 'labels.env=prod AND status=RUNNING' --format 'value(name)')"
expect 'list by name' 'web-2' "$(vm list --filter 'name=web-2' --format 'value(name)')"
expect 'list by zone' 'web-1' "$(vm list --zones us-east1-b --format 'value(name)')"
expect 'list of nothing' '' "$(vm list --filter labels.env=nowhere --format 'value(name)')"

expect 'describe: labels' 'ci core' \
  "$(vm describe web-1 --zone us-east1-b --format 'value[separator=" "](labels.env,labels.team)')"
expect 'describe: run limit' '7200 DELETE' "$(vm describe web-1 --zone us-east1-b \
  --format 'value[separator=" "](scheduling.maxRunDuration.seconds,scheduling.instanceTerminationAction)')"
expect 'describe: disk, tags, metadata' '20 http-server hello' "$(vm describe web-1 --zone us-east1-b \
  --format 'value[separator=" "](disks[0].diskSizeGb,tags.items[0],metadata.items[0].value)')"
expect 'describe: no address where none was asked for' '' \
  "$(vm describe web-2 --zone us-central1-f --format 'value(networkInterfaces[0].accessConfigs)')"
expect 'describe: Spot' 'SPOT TERMINATE' "$(vm describe web-2 --zone us-central1-f \
  --format 'value[separator=" "](scheduling.provisioningModel,scheduling.onHostMaintenance)')"

refused 'a name that is taken' 'already exists' \
  gcloud compute instances create web-1 --zone us-east1-b
refused 'an unknown machine type' "does not exist in zone" \
  gcloud compute instances create web-3 --zone us-east1-b --machine-type e9-huge
refused 'an arm64 image on an x86 machine' 'is not compatible with machine type architecture' \
  gcloud compute instances create web-3 --zone us-east1-b --machine-type e2-small \
  --image-family debian-12-arm64 --image-project debian-cloud
refused 'describe of what is not there' 'was not found' \
  gcloud compute instances describe web-9 --zone us-east1-b

vm stop web-1 --zone us-east1-b >/dev/null
expect 'stop' 'TERMINATED' "$(vm describe web-1 --zone us-east1-b --format 'value(status)')"
vm start web-1 --zone us-east1-b >/dev/null
expect 'start' 'RUNNING' "$(vm describe web-1 --zone us-east1-b --format 'value(status)')"
vm reset web-1 --zone us-east1-b >/dev/null
ok 'reset'

vm add-labels web-1 --zone us-east1-b --labels owner=ann >/dev/null
vm remove-labels web-1 --zone us-east1-b --labels team >/dev/null
expect 'add and remove labels' 'env=ci;owner=ann' "$(vm describe web-1 --zone us-east1-b --format 'value(labels)')"
vm add-metadata web-1 --zone us-east1-b --metadata more=yes >/dev/null
expect 'add metadata' 'greeting hello|more yes|' "$(vm describe web-1 --zone us-east1-b \
  --flatten metadata.items[] --format 'value[separator=" "](metadata.items.key,metadata.items.value)' | tr '\n' '|')"
gcloud compute instances get-serial-port-output web-1 --zone us-east1-b 2>/dev/null | grep -q 'login:'
ok 'serial port'
expect 'guest attributes' "hostkeys $HOST_KEY" "$(vm get-guest-attributes web-2 --zone us-central1-f \
  --query-path hostkeys/ --format 'value[separator=" "](namespace,key,value)')"
refused 'guest attributes of a VM that has none' "'hostkeys/' of type 'Guest Attribute' was not found" \
  gcloud compute instances get-guest-attributes web-1 --zone us-east1-b --query-path hostkeys/

vm update web-1 --zone us-east1-b --deletion-protection >/dev/null
refused 'a protected VM is not deleted' 'protected against deletion' \
  gcloud compute instances delete web-1 --zone us-east1-b
vm update web-1 --zone us-east1-b --no-deletion-protection >/dev/null
expect 'disks' 'web-1 20|web-2 10|' "$(gcloud compute disks list --sort-by name \
  --format 'value[separator=" "](name,sizeGb)' 2>/dev/null | tr '\n' '|')"
vm delete web-1 --zone us-east1-b >/dev/null
vm delete web-2 --zone us-central1-f --keep-disks boot >/dev/null
expect 'delete' '' "$(vm list --format 'value(name)')"
expect 'a disk that was kept' 'web-2' "$(gcloud compute disks list --format 'value(name)' 2>/dev/null)"
gcloud compute disks delete web-2 --zone us-central1-f >/dev/null 2>&1
expect 'delete of a disk' '' "$(gcloud compute disks list --format 'value(name)' 2>/dev/null)"

expect 'zones are not everywhere a, b, c' 'us-east1-b us-east1-c us-east1-d' \
  "$(gcloud compute zones list --filter region:us-east1 --format 'value(name)' 2>/dev/null | xargs)"
expect 'machine types' 'c4a-standard-1' "$(gcloud compute machine-types list --zones us-central1-a \
  --filter name=c4a-standard-1 --format 'value(name)' 2>/dev/null)"
gcloud compute images describe-from-family ubuntu-2404-lts-arm64 --project ubuntu-os-cloud \
  --format 'value(architecture)' 2>/dev/null | grep -qx ARM64
ok 'image of a family'
