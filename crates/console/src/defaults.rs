//! Defaults in `--help`, from the settings: `{section.key}` in the help of an argument becomes the default of that
//! setting.

use clap::Command;
use serde_json::Value;

/// The command with the defaults in the help of its arguments and of its subcommands' arguments.
///
/// ```
/// use clap::{Arg, Command};
/// use semrank_console::defaults::with_defaults;
///
/// let command = Command::new("c").arg(Arg::new("days").help("Length [default: {market.days}]"));
/// let command = with_defaults(command, &serde_json::json!({ "market": { "days": 28.0 } }));
/// let help = command.get_arguments().next().and_then(|arg| arg.get_help()).unwrap().to_string();
/// assert_eq!(help, "Length [default: 28]");
/// ```
pub fn with_defaults(command: Command, defaults: &Value) -> Command {
    let command = command.mut_args(|arg| match arg.get_help().map(ToString::to_string) {
        Some(help) if help.contains('{') => {
            let help = filled(&help, defaults);
            arg.help(help)
        }
        _ => arg,
    });
    command.mut_subcommands(|command| with_defaults(command, defaults))
}

fn filled(help: &str, defaults: &Value) -> String {
    let Some((before, rest)) = help.split_once('{') else { return help.to_owned() };
    let Some((key, after)) = rest.split_once('}') else { return help.to_owned() };
    let value = key.split('.').fold(defaults, |value, name| &value[name]);
    let shown = match (value, value.as_f64()) {
        (Value::Null, _) => format!("{{{key}}}"),
        (_, Some(number)) => number.to_string(),
        (value, None) => value.to_string().trim_matches('"').to_owned(),
    };
    format!("{before}{shown}{}", filled(after, defaults))
}
