//! The context of a command: streams, environment, clock, terminal, settings and clouds. Only this file reads them from the
//! process; all other code gets them as values.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::catalog::Catalog;
use crate::cloud::{Clock, CloudInfo, CloudInfos, Error, ErrorKind, Provider, ProviderKind, Result, join_with_or};
use crate::output::{ColumnSet, Printer, Report, Streams, Terminal, TerminalSize};
use crate::panic_report::PanicReport;
use crate::providers::Drivers;
use crate::settings::{Environment, ProviderChoice, ResolvedSetting, Settings, Source, is_cloud_setting};
use crate::shutdown::Shutdown;

/// What a run gets from the process, or from a test.
pub struct Host {
    /// Standard output and error.
    pub streams: Streams,
    /// Standard input.
    pub input: Box<dyn BufRead + Send>,
    /// The environment variables.
    pub environment: Environment,
    /// Which streams are terminals.
    pub terminal: Terminal,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The drivers of the clouds.
    pub drivers: Drivers,
    /// The data for the report of a panic.
    pub panics: PanicReport,
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Host {
    /// Takes everything from the process. `panics` belongs to its panic hook.
    pub fn from_process(panics: PanicReport) -> Self {
        let environment = Environment::from_process(std::env::vars_os());
        Self {
            terminal: detect_terminal(&environment),
            streams: Streams {
                stdout: Box::new(io::stdout()),
                stderr: Box::new(io::stderr()),
            },
            input: Box::new(io::BufReader::new(io::stdin())),
            environment,
            clock: Arc::new(SystemClock),
            drivers: Drivers::default(),
            panics,
        }
    }
}

/// Detects which streams are terminals and whether to use colours.
/// <https://no-color.org>, <https://bixense.com/clicolors/>
fn detect_terminal(environment: &Environment) -> Terminal {
    let (output, errors) = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let is_dumb = environment.get("TERM") == Some("dumb");
    let forces_colour = environment.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let allows_colour = !environment.has("NO_COLOR") && !is_dumb;
    Terminal {
        input: io::stdin().is_terminal() && errors,
        reads_from_terminal: io::stdin().is_terminal(),
        output,
        errors,
        redraws: !is_dumb,
        width: if output {
            terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
        } else {
            None
        },
        colour_output: allows_colour && (output || forces_colour),
        colour_errors: allows_colour && (errors || forces_colour),
    }
}

/// The context that every command gets.
pub struct Context {
    /// The settings of this run.
    pub settings: Settings,
    /// The printer for all output.
    pub printer: Printer,
    /// The state of the shutdown.
    pub shutdown: Shutdown,
    clock: Arc<dyn Clock>,
    input: Box<dyn BufRead + Send>,
    input_was_taken: bool,
    clouds: Clouds,
    catalog: Option<Arc<Catalog>>,
}

/// The drivers. Each is connected at its first use.
pub struct Clouds {
    drivers: Drivers,
    settings: Settings,
    clock: Arc<dyn Clock>,
    connected: Mutex<BTreeMap<ProviderKind, Arc<dyn Provider>>>,
}

impl Clouds {
    /// Gives the driver of a cloud.
    pub fn get(&self, kind: ProviderKind) -> Arc<dyn Provider> {
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = || (self.drivers.get(kind).connect)(&self.settings, Arc::clone(&self.clock));
        Arc::clone(connected.entry(kind).or_insert_with(connect))
    }
}

impl Context {
    /// Creates a context.
    pub fn new(
        settings: Settings,
        drivers: Drivers,
        printer: Printer,
        input: Box<dyn BufRead + Send>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let clouds = Clouds {
            drivers,
            settings: settings.clone(),
            clock: Arc::clone(&clock),
            connected: Mutex::default(),
        };
        Self {
            settings,
            printer,
            shutdown: Shutdown::default(),
            clock,
            input,
            input_was_taken: false,
            clouds,
            catalog: None,
        }
    }

    /// The size of the terminal now: a user may change it during the run. 80 by 24 if it is not known.
    pub fn terminal_size(&self) -> TerminalSize {
        let (columns, rows) = match terminal_size::terminal_size() {
            Some((width, height)) => (usize::from(width.0), usize::from(height.0)),
            None => (80, 24),
        };
        TerminalSize { columns, rows }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The catalog of machine types and prices. Its files are read at first use.
    pub fn catalog(&mut self) -> Arc<Catalog> {
        let path = self.catalog_path();
        let read_catalog = || Arc::new(self.clouds.drivers.catalog(path));
        Arc::clone(self.catalog.get_or_insert_with(read_catalog))
    }

    /// The path of the price file: `CLOUDCTL_CATALOG`, else a file in the user's cache folder; `None` without a home folder.
    pub fn catalog_path(&self) -> Option<PathBuf> {
        let environment = &self.settings.environment;
        if let Some(path) = environment.get("CLOUDCTL_CATALOG") {
            return Some(environment.expand_path(path));
        }
        let folder = environment.xdg_folder("XDG_CACHE_HOME", ".cache")?;
        Some(folder.join("cloudctl/prices.tsv"))
    }

    /// The fixed data about each cloud.
    pub fn infos(&self) -> CloudInfos {
        self.clouds.drivers.infos()
    }

    /// The fixed data about a cloud.
    pub fn info(&self, kind: ProviderKind) -> &'static CloudInfo {
        self.infos().get(kind)
    }

    /// The clouds.
    pub fn clouds(&self) -> &Clouds {
        &self.clouds
    }

    /// The printer and the clouds at the same time, to print steps while clouds are queried.
    pub fn printer_and_clouds(&mut self) -> (&mut Printer, &Clouds) {
        (&mut self.printer, &self.clouds)
    }

    /// Gives the driver of a cloud, after a check of the cloud's variables.
    ///
    /// # Errors
    /// `InvalidSpec` for a variable of this cloud whose value is not Unicode.
    pub fn cloud(&self, kind: ProviderKind) -> Result<Arc<dyn Provider>> {
        let environment = &self.settings.environment;
        environment.check_readable(|name| is_cloud_setting(self.info(kind), name))?;
        Ok(self.clouds.get(kind))
    }

    /// Resolves the settings of a cloud's own tools. Uses no network.
    ///
    /// # Errors
    /// `InvalidSpec` or `Unauthenticated` for a variable or file that cannot be read.
    pub fn resolved_settings(&self, kind: ProviderKind) -> Result<Vec<ResolvedSetting>> {
        self.cloud(kind)?;
        (self.clouds.drivers.get(kind).resolved_settings)(&self.settings)
    }

    /// Checks the variables of all clouds. A variable whose value is not Unicode may be meant as credentials.
    fn check_variables(&self) -> Result<()> {
        for kind in ProviderKind::ALL {
            self.cloud(kind)?;
        }
        Ok(())
    }

    /// The clouds to query: those that are named, else every one whose credentials are found.
    ///
    /// # Errors
    /// `Unauthenticated` if none is named and no credentials are found.
    pub fn providers_to_query(&self) -> Result<Vec<Arc<dyn Provider>>> {
        match &self.settings.providers.value {
            Some(kinds) if kinds.is_empty() => Err(self.no_credentials_error()),
            Some(kinds) => self.connect(kinds.clone()),
            None => self.configured_providers_or_error(),
        }
    }

    /// Gives the driver of each of these clouds once, in the order of [`ProviderKind`].
    fn connect(&self, mut kinds: Vec<ProviderKind>) -> Result<Vec<Arc<dyn Provider>>> {
        kinds.sort();
        kinds.dedup();
        kinds.into_iter().map(|kind| self.cloud(kind)).collect()
    }

    /// Every cloud whose credentials are found. The mock needs none, and is never among them.
    pub fn configured_providers(&self) -> Vec<Arc<dyn Provider>> {
        let kinds = ProviderKind::ALL.into_iter();
        let configured = kinds.filter(|kind| self.has_credentials(*kind));
        configured.map(|kind| self.clouds.get(kind)).collect()
    }

    /// Every cloud whose credentials are found, at least one.
    ///
    /// # Errors
    /// `Unauthenticated` if there is none.
    pub fn configured_providers_or_error(&self) -> Result<Vec<Arc<dyn Provider>>> {
        self.check_variables()?;
        let providers = self.configured_providers();
        match providers.is_empty() {
            true => Err(self.no_credentials_error()),
            false => Ok(providers),
        }
    }

    /// The clouds in which `create` may create instances. Never guessed.
    ///
    /// # Errors
    /// `InvalidSpec` if none is named; `Unauthenticated` if `any` is named and no credentials are found.
    pub fn providers_for_create(&self) -> Result<Vec<Arc<dyn Provider>>> {
        let settings = &self.settings;
        if settings.any_provider {
            return self.configured_providers_or_error();
        }
        let kinds = match (&settings.providers.source, settings.create_provider.value) {
            (Source::Context(_), Some(kind)) => vec![kind],
            _ => settings.providers.value.clone().unwrap_or_default(),
        };
        if kinds.is_empty() {
            let flags = ProviderChoice::words().into_iter().map(|word| format!("-p {word}"));
            let error = Error::invalid("no provider is given, and cloudctl never guesses where a VM goes");
            return Err(error.with_hint(format!("pass {}, or set CLOUDCTL_PROVIDER", join_with_or(flags))));
        }
        let providers = self.connect(kinds)?;
        if providers.len() > 1 && !settings.providers.source.is_flag() {
            let error = Error::invalid("several providers are set, but not by -p");
            return Err(error.with_hint("pass one -p, or several to take the cheapest, or -p any"));
        }
        Ok(providers)
    }

    /// Creates the error for no credentials at all.
    pub fn no_credentials_error(&self) -> Error {
        let (with_account, without_account): (Vec<_>, Vec<_>) =
            self.infos().iter().partition(|info| info.needs_credentials);
        let mut hint = format!(
            "sign in to {}",
            join_with_or(with_account.iter().map(|info| info.title))
        );
        for info in without_account {
            hint.push_str(&format!(", or try -p {}, which needs no account", info.kind));
        }
        Error::new(ErrorKind::Unauthenticated, "no credentials of any cloud were found").with_hint(hint)
    }

    /// Whether credentials of a cloud are found. Uses no network.
    pub fn has_credentials(&self, kind: ProviderKind) -> bool {
        (self.clouds.drivers.get(kind).has_credentials)(&self.settings)
    }

    /// Prints results in the requested format, and errors.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print_report(&mut self, report: &Report, view: &ColumnSet) -> io::Result<()> {
        let now = self.now();
        self.printer.print_report(report, view, now)
    }

    /// Asks a question on the terminal, and gives the answer; `None` at the end of the input.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub fn prompt(&mut self, question: &str) -> io::Result<Option<String>> {
        self.printer.ask(question)?;
        let mut answer = String::new();
        match self.input.read_line(&mut answer)? {
            0 => Ok(None),
            _ => Ok(Some(answer.trim().to_owned())),
        }
    }

    /// Takes standard input, to pass it on to a command; `None` if it is a terminal, or was read before.
    pub fn take_command_input(&mut self) -> Option<Box<dyn BufRead + Send>> {
        let was_read = std::mem::replace(&mut self.input_was_taken, true);
        let input = std::mem::replace(&mut self.input, Box::new(io::empty()));
        (!was_read && !self.printer.terminal().reads_from_terminal).then_some(input)
    }

    /// Reads at most `limit` bytes of standard input.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_input(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        self.input_was_taken = true;
        let mut bytes = Vec::new();
        Read::take(&mut self.input, limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
