//! Definitions of tests, and the rows of their logs.

use crate::data::write;
use crate::harness::Subject;
use crate::program::run;
use std::path::Path;

pub(crate) const TESTS: &[Subject] = &[Subject { name: "analysis", make, read }];

const DEFINITION: &str = "name = \"t\"\nstart = 2026-01-05T00:00:00Z\ndays = 4\nsettle_hours = 1\neffect = 0.1\nsegments = [\"surface\"]\n\
budget = { spend = { action = \"click\", value = \"sum\", column = \"price\" } }\n\
[[arms]]\nname = \"a\"\nweight = 0.5\n[[arms]]\nname = \"b\"\nweight = 0.5\n\
[[metrics]]\nname = \"m\"\nrole = \"primary\"\nnumerator = { action = \"conversion\" }\ndenominator = { action = \"click\" }\nwindow_days = 1\ncovariates = [\"before\", \"events\"]\n\
[[metrics]]\nname = \"g\"\nrole = \"guardrail\"\nmargin = 0.1\nnumerator = { action = \"click\", value = \"any\" }\nwindow_days = 1\n\
[[metrics]]\nname = \"q\"\nrole = \"debug\"\nquantile = 0.5\nnumerator = { action = \"click\", value = \"sum\", column = \"price\" }\nwindow_days = 1\n";
const START: i64 = 1_767_571_200_000;

fn make(folder: &Path) -> Vec<String> {
    let (mut exposures, mut events) = (String::new(), String::new());
    for user in 0..24_i64 {
        let (arm, time) = (["a", "b"][user as usize % 2], START + user * 14_400_000);
        exposures += &format!(
            "{{\"event_id\":\"x{user}\",\"experiment\":\"t\",\"phase\":1,\"unit\":\"u{user}\",\"arm\":\"{arm}\",\"time\":{time},\"would_differ\":{},\"segments\":{{\"surface\":\"feed\"}},\"slate\":[{{\"item\":\"i\",\"probability\":0.1}}]}}\n",
            user % 3 == 0
        );
        let later = time + 60_000;
        events += &format!(
            "{{\"event_id\":\"c{user}\",\"user_id\":\"u{user}\",\"item_id\":\"i\",\"action\":\"click\",\"timestamp\":{later},\"price\":{user},\"campaign_id\":\"k\"}}\n"
        );
        if user % 4 < 2 {
            events += &format!(
                "{{\"event_id\":\"v{user}\",\"parent_event_id\":\"c{user}\",\"user_id\":\"u{user}\",\"action\":\"conversion\",\"timestamp\":{later}}}\n"
            );
        }
    }
    write(
        folder,
        &[("test.toml", DEFINITION), ("exposures", exposures.as_str()), ("events", events.as_str())],
    )
}

fn read(folder: &Path) -> Result<(), String> {
    let path = |name: &str| folder.join(name).into_os_string();
    let rows = ["--exposures".into(), path("exposures"), "--events".into(), path("events")];
    run(["experiment".into(), "analyze".into(), path("test.toml")].into_iter().chain(rows.clone()))?;
    run(["experiment".into(), "plan".into(), path("test.toml")].into_iter().chain(rows))
}
