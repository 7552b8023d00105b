//! The examples in the help of each command, and what a bare `cloudctl` shows.

/// A command line, and what it does.
pub(super) struct Example {
    pub(super) about: &'static str,
    pub(super) command: &'static str,
}

const fn example(about: &'static str, command: &'static str) -> Example {
    Example { about, command }
}

/// The examples of each command, by its path such as `context use`. The empty path is `cloudctl` itself.
pub(super) const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example(
                "Make a VM that is terminated after two hours",
                "cloudctl create web-1 -p aws -r us-east-1 --ttl 2h",
            ),
            example("See the VMs of all clouds and regions", "cloudctl list"),
            example("Remove one for good", "cloudctl terminate web-1"),
        ],
    ),
    (
        "create",
        &[
            example(
                "A VM with 4 CPUs and 16 GiB that is terminated after two hours",
                "cloudctl create web-1 -p aws -r us-east-1 --cpus 4 --memory 16 --ttl 2h",
            ),
            example(
                "The cheapest place in Europe, shown first and not made",
                "cloudctl create web-1 -p gcp -r europe --cpus 4 --dry-run",
            ),
            example(
                "Three VMs, worker-1 to worker-3, that answer by SSH when it returns",
                "cloudctl create worker -p gcp -r us-central1 --count 3 --wait ssh",
            ),
        ],
    ),
    (
        "list",
        &[
            example("All VMs of all clouds and regions", "cloudctl list"),
            example(
                "One team's VMs that have run for over a day",
                "cloudctl list -l team=blue --filter 'state=running,age>1d'",
            ),
            example(
                "Count them, with jq",
                "cloudctl list -l team=blue -o json | jq '.items | length'",
            ),
        ],
    ),
    (
        "describe",
        &[
            example("All about one VM", "cloudctl describe web-1"),
            example("The same for a script", "cloudctl describe web-1 -o json"),
        ],
    ),
    (
        "start",
        &[
            example("Start a stopped VM", "cloudctl start web-1"),
            example("Start two", "cloudctl start web-1 web-2"),
        ],
    ),
    (
        "stop",
        &[
            example("Stop a VM; its disks stay, and still cost", "cloudctl stop web-1"),
            example("Stop two", "cloudctl stop web-1 web-2"),
        ],
    ),
    (
        "reboot",
        &[
            example("Restart a VM", "cloudctl reboot web-1"),
            example(
                "Restart one by its id, in the region it is in",
                "cloudctl reboot i-0ab12cd34ef567890 -p aws -r us-east-1",
            ),
        ],
    ),
    (
        "terminate",
        &[
            example("Remove one VM for good", "cloudctl terminate web-1"),
            example(
                "See which VMs a label selects, and remove none",
                "cloudctl terminate -l team=blue --dry-run",
            ),
            example(
                "In a script: no question, and no error if it is gone",
                "cloudctl terminate ci-1 -y --ignore-not-found",
            ),
        ],
    ),
    (
        "extend",
        &[
            example("Let a VM live four hours from now", "cloudctl extend web-1 --ttl 4h"),
            example(
                "Give two VMs one more hour than now planned",
                "cloudctl extend web-1 web-2 --ttl +1h",
            ),
        ],
    ),
    (
        "label",
        &[
            example("Set a label and remove another", "cloudctl label web-1 owner=ann old-"),
            example(
                "Label all of cloudctl's VMs of a team",
                "cloudctl label -l team=blue env=ci",
            ),
        ],
    ),
    (
        "protect",
        &[
            example("Refuse every termination of a VM", "cloudctl protect db-1"),
            example("Protect two", "cloudctl protect db-1 db-2"),
        ],
    ),
    (
        "unprotect",
        &[
            example("Allow the termination of a VM again", "cloudctl unprotect db-1"),
            example("Allow it for two", "cloudctl unprotect db-1 db-2"),
        ],
    ),
    (
        "wait",
        &[
            example("Wait until a VM answers by SSH", "cloudctl wait web-1 --for ssh"),
            example(
                "Wait at most ten minutes until it is gone",
                "cloudctl wait web-1 --for terminated --timeout 10m",
            ),
        ],
    ),
    (
        "run",
        &[
            example(
                "Run a command in a VM of its own, and end with its exit code",
                "cloudctl run -p mock -- 'make test'",
            ),
            example(
                "Copy files to it, bring the result back, and pass a token on",
                "cloudctl run job-1 --copy .:src --fetch src/out:. -e TOKEN -- 'make -C src'",
            ),
            example(
                "End it after an hour, and keep the VM if it failed",
                "cloudctl run -p aws --time 1h --keep failed -- python3 train.py",
            ),
        ],
    ),
    (
        "ssh",
        &[
            example("Log in to a VM", "cloudctl ssh web-1"),
            example(
                "Run a command in it, and end with its exit code",
                "cloudctl ssh web-1 -- uname -a",
            ),
            example(
                "Log in to a VM without a public address, through Google's tunnel",
                "cloudctl ssh web-1 --via iap",
            ),
        ],
    ),
    (
        "cp",
        &[
            example("Copy a file to a VM", "cloudctl cp app.tar.gz web-1:/tmp/"),
            example("Copy a folder from a VM", "cloudctl cp -r web-1:/var/log/nginx ./logs"),
            example("Copy from one VM to another", "cloudctl cp web-1:data.db web-2:"),
        ],
    ),
    (
        "ssh-config",
        &[
            example(
                "Reach the VMs that run with ssh, scp, rsync and VS Code",
                "cloudctl ssh-config > ~/.ssh/cloudctl.conf",
            ),
            example(
                "One team's VMs, through Google's tunnel",
                "cloudctl ssh-config -l team=blue --via iap",
            ),
        ],
    ),
    (
        "console",
        &[
            example("See why a VM does not answer", "cloudctl console web-1"),
            example("Keep what it wrote", "cloudctl console web-1 > web-1.log"),
        ],
    ),
    (
        "image",
        &[
            example(
                "The aliases, the images that they mean now, and the login users",
                "cloudctl image list",
            ),
            example("Those of one cloud", "cloudctl image list -p gcp"),
        ],
    ),
    (
        "image list",
        &[
            example(
                "The aliases, the images that they mean now, and the login users",
                "cloudctl image list",
            ),
            example(
                "Images for ARM in one region",
                "cloudctl image list -p aws -r eu-west-1 --arch arm64",
            ),
        ],
    ),
    (
        "region",
        &[
            example("The regions that you can use", "cloudctl region list"),
            example("Those in Europe", "cloudctl region list -r europe"),
        ],
    ),
    (
        "region list",
        &[
            example("The regions that you can use", "cloudctl region list"),
            example("Those of one cloud in Europe", "cloudctl region list -p gcp -r europe"),
        ],
    ),
    (
        "price",
        &[
            example(
                "What 4 CPUs and 16 GiB cost on each cloud",
                "cloudctl price --cpus 4 --memory 16",
            ),
            example(
                "The cheapest region of Europe for a GPU",
                "cloudctl price --gpu l4 -r europe",
            ),
            example("What a VM costs, also until its TTL is over", "cloudctl price web-1"),
        ],
    ),
    (
        "type",
        &[
            example(
                "The machine types with 8 CPUs or more, the cheapest first",
                "cloudctl type list --cpus 8",
            ),
            example(
                "Those for ARM in one region",
                "cloudctl type list -p aws -r eu-west-1 --arch arm64",
            ),
        ],
    ),
    (
        "type list",
        &[
            example(
                "The machine types with 8 CPUs or more, the cheapest first",
                "cloudctl type list --cpus 8",
            ),
            example(
                "Those for ARM in one region",
                "cloudctl type list -p aws -r eu-west-1 --arch arm64",
            ),
        ],
    ),
    (
        "catalog",
        &[
            example("How old the prices are", "cloudctl catalog show"),
            example("Fetch the prices of today", "cloudctl catalog update"),
        ],
    ),
    (
        "catalog show",
        &[
            example("How old the prices are", "cloudctl catalog show"),
            example("The same for a script", "cloudctl catalog show -o json"),
        ],
    ),
    (
        "catalog update",
        &[
            example(
                "Fetch the prices of each cloud with credentials",
                "cloudctl catalog update",
            ),
            example("Fetch those of one cloud", "cloudctl catalog update -p aws"),
        ],
    ),
    (
        "whoami",
        &[
            example("The account or project, and the user", "cloudctl whoami"),
            example("Those of one cloud", "cloudctl whoami -p gcp"),
        ],
    ),
    (
        "doctor",
        &[
            example("Check every cloud whose credentials are found", "cloudctl doctor"),
            example("Check one cloud", "cloudctl doctor -p aws"),
        ],
    ),
    (
        "context",
        &[
            example(
                "Choose the context for all commands from now on",
                "cloudctl context use dev",
            ),
            example("See each setting, and where it comes from", "cloudctl context show"),
        ],
    ),
    (
        "context list",
        &[
            example("The contexts in the configuration file", "cloudctl context list"),
            example("Their names alone", "cloudctl context list -o name"),
        ],
    ),
    (
        "context use",
        &[
            example(
                "Choose the context for all commands from now on",
                "cloudctl context use dev",
            ),
            example("Use another one for a single command", "cloudctl list --context prod"),
        ],
    ),
    (
        "context show",
        &[
            example("See each setting, and where it comes from", "cloudctl context show"),
            example("See those of another context", "cloudctl context show --context prod"),
        ],
    ),
    (
        "schema",
        &[
            example(
                "A sample of a spec file, to begin with",
                "cloudctl schema spec --example > vms.toml",
            ),
            example(
                "For an editor that checks spec files",
                "cloudctl schema spec > cloudctl-spec.json",
            ),
        ],
    ),
    (
        "completion",
        &[
            example(
                "Complete commands and flags in this shell",
                "source <(cloudctl completion bash)",
            ),
            example("In each new zsh", "cloudctl completion zsh > ~/.zfunc/_cloudctl"),
        ],
    ),
    (
        "man",
        &[
            example("Read the manual page of a command", "cloudctl man create | man -l -"),
            example("Read that of cloudctl itself", "cloudctl man | man -l -"),
        ],
    ),
    (
        "help",
        &[
            example("All about one command", "cloudctl help create"),
            example("The topics", "cloudctl help topics"),
            example("How to describe VMs in a file", "cloudctl help spec-file"),
        ],
    ),
];

/// The rows of commands in `cloudctl -h`: commands that are alike, and what they do.
pub(super) const COMMAND_ROWS: &[(&[&str], &str)] = &[
    (&["create"], "Create a VM, or several"),
    (&["list", "describe"], "List VMs of all clouds; show all about some"),
    (
        &["start", "stop", "reboot"],
        "Start, stop or restart VMs; their disks stay",
    ),
    (&["terminate"], "Terminate VMs for good, with their disks"),
    (
        &["extend", "label"],
        "Give VMs more time to live; set and remove labels",
    ),
    (
        &["protect", "unprotect"],
        "Protect VMs from termination, or allow it again",
    ),
    (&["run"], "Run a command once, in a VM that is terminated after it"),
    (
        &["ssh", "ssh-config", "cp"],
        "Log in; let plain ssh find VMs by name; copy files",
    ),
    (
        &["wait", "console"],
        "Wait for a state; read what a VM wrote as it started",
    ),
    (&["image", "region", "type"], "List images, regions and machine types"),
    (&["price", "catalog"], "Compare prices; fetch newer ones"),
    (&["doctor", "whoami"], "Check credentials; show whose they are"),
    (&["context"], "Show and choose contexts of the configuration file"),
    (
        &["schema", "completion"],
        "Print JSON Schemas, or a shell's completions",
    ),
    (&["help", "man"], "Show help or a manual page"),
];

/// What `cloudctl` shows without a command.
pub const FIRST_STEPS: &str = "\
Virtual machines on AWS EC2 and Google Compute Engine, through one command line

Usage: cloudctl <COMMAND> [OPTIONS]

What people do first:
  cloudctl doctor              Check the credentials and regions of your clouds
  cloudctl create web-1 -p aws -r us-east-1 --ttl 2h
                               Make a VM that is terminated after two hours
  cloudctl list                See the VMs of all clouds and regions
  cloudctl describe web-1      See all about one: its state, address and price
  cloudctl terminate web-1     Remove it for good

Without an account: -p mock is a pretend cloud, where nothing costs anything.
All commands: cloudctl -h        One of them: cloudctl create -h
";
