//! A sample of a spec file.

/// A sample with comments, which `create -f -` accepts as it is.
pub(crate) const SPEC_EXAMPLE: &str = r#"# What `cloudctl create -f FILE` makes; --dry-run only shows it.
# These keys hold for every VM below that does not say otherwise.
provider = "mock"                 # a pretend cloud; aws or gcp for real VMs
region = "us-east-1"              # or an area such as "europe", or a list
ttl = "2h"                        # they are terminated after two hours
label = { team = "blue" }         # or a list: ["team=blue"]

[[vm]]
name = "web-1"                    # running this again never makes a second one
cpus = 2                          # the cheapest machine type that fits is taken
memory = 4                        # GiB
image = "ubuntu-24.04"            # an alias for every cloud, or the cloud's id
open = [22, "443/203.0.113.0/24"] # ports, from everywhere or one network

[[vm]]
name = "worker"
count = 3                         # worker-1, worker-2 and worker-3
cpus = 4
spot = true                       # spare capacity that the cloud can take back
label = { role = "worker" }       # in addition to those above

# Other keys, for one VM or for all:
#   type = "m7i.large"            # in place of cpus and memory
#   arch = "arm64"                # or x86_64
#   gpu = "l4:2"
#   disk = 100                    # GiB
#   disk-type = "gp3"             # the cloud's own word
#   zone = "us-east-1a"
#   fallback = ["zone", "type"]   # where else to try if there is no capacity
#   ssh-key = "~/.ssh/id_ed25519.pub"
#   user-data = "setup.sh"        # run by cloud-init at first boot
#   network = "default"
#   subnet = "default"
#   firewall = ["web"]            # security groups (aws) or network tags (gcp)
#   no-public-ip = true
#   identity = "backup"           # instance profile or service account
#   protect = true                # refuse to be terminated
#   budget = 5                    # USD, in place of ttl: the life it buys
#   max-price = 0.5               # USD per hour: refused if nothing is cheaper
#   wait = "ssh"                  # or "none"; "running" if left out
#   native = { boot_seconds = 5 } # options of this provider alone
"#;
