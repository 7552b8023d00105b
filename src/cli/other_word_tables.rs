//! The commands and flags of other tools, and what to type in their place.

/// Flags of other tools, and the flag with that meaning. They are answered where the command has that flag.
pub(super) const FLAGS: &[(&str, &str)] = &[
    ("--ami", "--image"),
    ("--architecture", "--arch"),
    ("--boot-disk-size", "--disk"),
    ("--boot-disk-type", "--disk-type"),
    ("--check", "--dry-run"),
    ("--cloud", "--provider"),
    ("--cloud-init", "--user-data"),
    ("--config", "--file"),
    ("--cores", "--cpus"),
    ("--cpu", "--cpus"),
    ("--deletion-protection", "--protect"),
    ("--disk-size", "--disk"),
    ("--dry", "--dry-run"),
    ("--duration", "--ttl"),
    ("--expires", "--ttl"),
    ("--expires-in", "--ttl"),
    ("--force", "--yes"),
    ("--format", "--output"),
    ("--iam-instance-profile", "--identity"),
    ("--image-id", "--image"),
    ("--instances", "--count"),
    ("--key", "--ssh-key"),
    ("--key-name", "--ssh-key"),
    ("--key-pair", "--ssh-key"),
    ("--lifetime", "--ttl"),
    ("--location", "--region"),
    ("--max-run-duration", "--ttl"),
    ("--mem", "--memory"),
    ("--num", "--count"),
    ("--number", "--count"),
    ("--order-by", "--sort"),
    ("--os", "--image"),
    ("--ports", "--open"),
    ("--preemptible", "--spot"),
    ("--preview", "--dry-run"),
    ("--ram", "--memory"),
    ("--replicas", "--count"),
    ("--root-disk", "--disk"),
    ("--security-group", "--firewall"),
    ("--security-groups", "--firewall"),
    ("--selector", "--label"),
    ("--service-account", "--identity"),
    ("--sort-by", "--sort"),
    ("--spec", "--file"),
    ("--startup-script", "--user-data"),
    ("--storage", "--disk"),
    ("--termination-protection", "--protect"),
    ("--validate", "--dry-run"),
    ("--vcpus", "--cpus"),
    ("--volume-size", "--disk"),
    ("--vpc", "--network"),
    ("--what-if", "--dry-run"),
    ("--where", "--filter"),
    ("-n", "--count"),
    ("-w", "--watch"),
];

/// What a command must have for an answer to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing.
    Always,
    /// It is this command.
    Is(&'static str),
    /// It takes this flag, without the hyphens.
    HasFlag(&'static str),
    /// It lacks this flag, without the hyphens.
    LacksFlag(&'static str),
    /// It takes names of VMs.
    TakesVms,
}

/// An answer to flags of other tools that no single flag of ours replaces.
pub(super) struct FlagAnswer {
    pub(super) flags: &'static [&'static str],
    pub(super) condition: Condition,
    /// `{command}` stands for the command.
    pub(super) hint: &'static str,
}

const fn answer(flags: &'static [&'static str], condition: Condition, hint: &'static str) -> FlagAnswer {
    FlagAnswer { flags, condition, hint }
}

const NO_WAIT: &[&str] = &["--async", "--no-wait", "--nowait", "--detach"];
const ALL_REGIONS: &[&str] = &["--all-regions", "--all-zones", "--all-namespaces", "-A"];
const QUERY: &[&str] = &["--query", "--jq", "--fields", "--columns"];

/// The answers, tried in this order and before [`FLAGS`].
pub(super) const FLAG_ANSWERS: &[FlagAnswer] = &[
    answer(
        &["--profile"],
        Condition::Always,
        "set the variable AWS_PROFILE, or `profile` in a context: see `cloudctl help context-file`",
    ),
    answer(
        &["--project"],
        Condition::Always,
        "set the variable GOOGLE_CLOUD_PROJECT, or `project` in a context: see `cloudctl help context-file`",
    ),
    answer(
        &["--name", "--id", "--instance-id", "--instance-ids"],
        Condition::TakesVms,
        "write the name without a flag: {command} NAME",
    ),
    answer(
        &["--name"],
        Condition::HasFlag("filter"),
        "use --filter: {command} --filter name=NAME",
    ),
    answer(
        &["--state", "--status"],
        Condition::HasFlag("filter"),
        "use --filter: {command} --filter state=running",
    ),
    answer(
        &["--gpus", "--accelerator", "--accelerators"],
        Condition::HasFlag("gpu"),
        "use --gpu KIND:N, such as --gpu t4:1; `cloudctl type list` shows the kinds",
    ),
    answer(
        &["--remove", "--delete", "--unset", "--remove-labels"],
        Condition::Is("label"),
        "write KEY- to remove a label: {command} NAME KEY-",
    ),
    answer(
        &["--all"],
        Condition::Is("create"),
        "-f FILE makes all VMs of a spec file, and --count N makes several of one kind",
    ),
    answer(
        &["--all"],
        Condition::HasFlag("label"),
        "name the VMs, or select them by a label: {command} -l KEY=VALUE",
    ),
    answer(
        &["--all"],
        Condition::TakesVms,
        "name the VMs: {command} NAME; `cloudctl list -o name` prints all names",
    ),
    answer(
        NO_WAIT,
        Condition::Is("create"),
        "use --wait none: then it does not wait until the VM runs",
    ),
    answer(
        NO_WAIT,
        Condition::Always,
        "leave it out: without --wait, {command} does not wait",
    ),
    answer(
        ALL_REGIONS,
        Condition::Is("type list"),
        "`cloudctl price --cpus 4 --memory 8` compares all regions; here, name some: -r us-east-1 -r eu-west-1",
    ),
    answer(
        ALL_REGIONS,
        Condition::Is("image list"),
        "name regions or areas: -r us-east-1 -r europe",
    ),
    answer(
        ALL_REGIONS,
        Condition::Is("create"),
        "name regions or areas, and the cheapest is taken: -r us -r europe",
    ),
    answer(
        ALL_REGIONS,
        Condition::Always,
        "leave it out: without -r, all regions are meant",
    ),
    answer(
        &["--limit", "--max-items", "-n"],
        Condition::Is("list"),
        "all VMs are listed; for the first five: cloudctl list --no-headers | head -5",
    ),
    answer(
        QUERY,
        Condition::Always,
        "use -o columns=a,b to choose fields, -o value=FIELD for one, or -o json with jq",
    ),
    answer(&["--json"], Condition::Always, "use -o json"),
    answer(&["--yaml"], Condition::Always, "use -o yaml"),
    answer(&["--csv"], Condition::Always, "use -o csv"),
    answer(
        &["--by", "--add", "--for", "--hours"],
        Condition::Is("extend"),
        "use --ttl +1h for one hour more than now planned, or --ttl 1h for one hour from now",
    ),
    answer(
        &["-f", "--file"],
        Condition::HasFlag("yes"),
        "it takes no file: name the VMs, or select them by a label: {command} -l KEY=VALUE; -y answers its question",
    ),
    answer(
        &["-f", "--file"],
        Condition::TakesVms,
        "it takes no file: name the VMs, or select them by a label, if it has -l",
    ),
    answer(
        &["-y", "--yes", "--force"],
        Condition::LacksFlag("yes"),
        "leave it out: {command} asks no question",
    ),
    answer(
        &["--public-ip"],
        Condition::Is("create"),
        "leave it out: a VM has a public address unless --no-public-ip is given",
    ),
    answer(&["-w"], Condition::HasFlag("wait"), "use --wait"),
    answer(
        &["-t"],
        Condition::HasFlag("type"),
        "write it out: --type TYPE, or --ttl DURATION",
    ),
];

/// Commands of other tools, and the command that does it. `NAME` stands for the word that follows.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("add", "create NAME"),
    ("apply", "create -f FILE"),
    ("config", "context show"),
    ("config-ssh", "ssh-config"),
    ("contexts", "context list"),
    ("copy", "cp"),
    ("cost", "price NAME"),
    ("costs", "price NAME"),
    ("diff", "create -f FILE --dry-run"),
    ("download", "cp"),
    ("get", "describe NAME"),
    ("images", "image list"),
    ("info", "describe NAME"),
    ("inspect", "describe NAME"),
    ("inventory", "list -o ansible"),
    ("kill", "terminate NAME"),
    ("labels", "label NAME KEY=VALUE"),
    ("launch", "create NAME"),
    ("logs", "console NAME"),
    ("new", "create NAME"),
    ("plan", "create -f FILE --dry-run"),
    ("prices", "price"),
    ("regions", "region list"),
    ("remove", "terminate NAME"),
    ("restart", "reboot NAME"),
    ("scale", "create NAME --count N"),
    ("scp", "cp"),
    ("show", "describe NAME"),
    ("sizes", "type list"),
    ("status", "list"),
    ("tag", "label NAME KEY=VALUE"),
    ("tags", "label NAME KEY=VALUE"),
    ("top", "list --watch"),
    ("types", "type list"),
    ("upload", "cp"),
    ("validate", "create -f FILE --dry-run"),
    ("version", "--version"),
    ("watch", "list --watch"),
];

/// Commands that stand alone, where they then mean another.
pub(super) const COMMANDS_ALONE: &[(&str, &str)] =
    &[("cost", "list --cost"), ("costs", "list --cost"), ("get", "list")];

const SIGN_IN: &str = "cloudctl uses the credentials of the clouds' own tools: sign in with `aws configure` or \
                       `gcloud auth application-default login`, then run `cloudctl doctor`";
const LOG_IN: &str = "log in with `cloudctl ssh NAME`, and run a command with `cloudctl ssh NAME -- COMMAND`";

/// Commands of other tools that no command of ours replaces, and what to do instead.
pub(super) const COMMAND_ANSWERS: &[(&[&str], &str)] = &[
    (&["auth", "configure", "init", "login"], SIGN_IN),
    (&["connect", "exec"], LOG_IN),
    (
        &["resize"],
        "a VM keeps its machine type: make another with `cloudctl create OTHER --type TYPE`, then terminate this one",
    ),
    (
        &["zone", "zones"],
        "there is no list of zones, as a region is enough: `cloudctl region list` shows the regions",
    ),
];

/// The second words of other tools after a command of ours, and the command that does it.
pub(super) const SECOND_WORDS: &[(&str, &[&str], &str)] = &[
    ("context", &["current", "current-context", "get"], "context show"),
    ("context", &["select", "set", "switch"], "context use NAME"),
    (
        "context",
        &["add", "create", "delete", "new", "remove", "rm"],
        "help context-file",
    ),
    ("catalog", &["get", "list", "ls", "status"], "catalog show"),
    (
        "catalog",
        &["download", "fetch", "pull", "refresh", "sync"],
        "catalog update",
    ),
    ("image", &["describe", "find", "get", "search", "show"], "image list"),
    ("region", &["describe", "find", "get", "search", "show"], "region list"),
    ("type", &["describe", "find", "get", "search", "show"], "type list"),
];

/// Words for a VM that other tools put before or behind the verb.
pub(super) const VM_NOUNS: [&str; 12] = [
    "compute",
    "ec2",
    "instance",
    "instances",
    "machine",
    "machines",
    "node",
    "nodes",
    "server",
    "servers",
    "vm",
    "vms",
];
