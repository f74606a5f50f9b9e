//! The table of every setting, read from the command line's own definition so that it cannot drift.

use clap::{Arg, ArgAction, Command};
use std::fmt::Write;

/// One setting, as documentation tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the environment and in `.env`.
    pub name: String,
    /// Its flag, with the leading dashes.
    pub flag: String,
    /// What its value is, or is counted in.
    pub unit: String,
    /// What holds without it.
    pub default: Option<String>,
    /// What it does.
    pub meaning: String,
    /// Whether its value is never shown.
    pub secret: bool,
    /// The sub-commands that read it.
    pub used_by: Vec<String>,
}

/// Every setting of `command`, in the order of its sub-commands.
pub fn list(command: &Command) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        for setting in command.get_arguments().filter_map(of_arg) {
            match settings.iter_mut().find(|known| known.name == setting.name) {
                Some(known) => known.used_by.push(command.get_name().to_owned()),
                None => settings.push(Setting { used_by: vec![command.get_name().to_owned()], ..setting }),
            }
        }
    }
    settings
}

/// The setting behind an argument, if it is one.
pub fn of_arg(arg: &Arg) -> Option<Setting> {
    let name = arg.get_env()?.to_string_lossy().into_owned();
    let unit = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_lowercase());
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
    Some(Setting {
        name,
        flag: format!("--{}", arg.get_long().unwrap_or_default()),
        unit: unit.unwrap_or_default(),
        default: match defaults.first() {
            Some(_) => Some(defaults.join(",")),
            None => is_flag.then(|| "false".to_owned()),
        },
        meaning: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        secret: arg.is_hide_env_values_set(),
        used_by: Vec::new(),
    })
}

/// The table as `docs/settings.md` holds it.
pub fn markdown(settings: &[Setting]) -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Each is a flag, an environment variable and a key of `.env` in the working directory: `LEASE_MS=5000` and\n\
         `--lease-ms 5000` are the same. A flag goes before the environment, the environment before `.env`, `.env`\n\
         before the default; an empty variable counts as absent. A value that cannot be used stops the start with\n\
         exit code 2 and the variable's name. REDIS_URL is never shown with its user and password.\n\n\
         `millstream settings` prints this page; a test compares it.\n\n\
         | name | unit | default | meaning | read by |\n|---|---|---|---|---|\n",
    );
    for Setting { name, unit, default, meaning, used_by, .. } in settings {
        let default = default.as_ref().map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
        let _ = writeln!(text, "| `{name}` | {unit} | {default} | {meaning} | {} |", used_by.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_documented_table_is_the_real_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        let real = markdown(&list(&Cli::command()));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &real).unwrap();
        }
        let documented = std::fs::read_to_string(path).unwrap();
        assert_eq!(documented, real, "UPDATE=1 cargo test -p millstream writes docs/settings.md anew");
    }

    #[test]
    fn a_flag_has_the_name_of_its_variable_and_everything_is_told() {
        for setting in list(&Cli::command()) {
            let Setting { name, flag, unit, meaning, .. } = &setting;
            assert_eq!(*flag, format!("--{}", name.to_lowercase().replace('_', "-")));
            assert!(!unit.is_empty() && !meaning.is_empty() && !meaning.contains('|'), "{name}");
        }
    }
}
