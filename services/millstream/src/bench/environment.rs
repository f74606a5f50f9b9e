//! Where and how a measurement was made.

use serde::Serialize;
use std::process::Command;

/// What it takes to repeat a measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// RFC 3339, UTC.
    pub date: String,
    /// Processor, cores, memory, kernel.
    pub machine: String,
    /// Load average over a minute before the measurement.
    pub load_average: String,
    /// Version and build of this program.
    pub version: String,
    /// The source, if the working directory is a checkout.
    pub git: Option<String>,
    /// The command line.
    pub command: String,
    /// Settings of the measured processes that differ from their defaults.
    pub settings: Vec<String>,
}

impl Environment {
    /// Here and now.
    pub fn here(settings: &[(String, String)]) -> Self {
        let build = if cfg!(debug_assertions) { "debug build: its figures say little" } else { "release build" };
        Self {
            date: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            machine: machine(),
            load_average: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            version: format!("millstream {} ({build})", env!("CARGO_PKG_VERSION")),
            git: git(),
            command: command(),
            settings: settings.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        }
    }

    /// A line for each.
    pub fn text(&self) -> String {
        let settings = if self.settings.is_empty() { "none".to_owned() } else { self.settings.join(" ") };
        format!(
            "date      {}\nmachine   {}, load average {}\nprogram   {}{}\ncommand   {}\n\
             settings  {settings} differ from the defaults\n",
            self.date,
            self.machine,
            self.load_average,
            self.version,
            self.git.as_ref().map(|git| format!(", source {git}")).unwrap_or_default(),
            self.command,
        )
    }
}

fn machine() -> String {
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let memory = read("/proc/meminfo");
    let kib =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).and_then(|rest| rest.split_whitespace().next());
    let gib = kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / f64::from(1 << 20);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{}, {cores} cores, {gib:.0} GiB, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}

fn git() -> Option<String> {
    let output = Command::new("git").args(["describe", "--always", "--dirty", "--tags"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The command line, without the path of the program.
fn command() -> String {
    let args = std::env::args().skip(1);
    std::iter::once("millstream".to_owned()).chain(args).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
