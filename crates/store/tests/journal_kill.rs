//! Promises of the journal to a program that is killed (SIGKILL), and on a disk that is full, on a real file system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_store::Error;
use semrank_store::journal::{Journal, Options};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "SEMRANK_TEST_JOURNAL";
const OPTIONS: Options = Options { segment_bytes: 1 << 15 };

fn payload(sequence: u64) -> Vec<u8> {
    format!("record {sequence} ").bytes().cycle().take(20 + (sequence as usize * 37) % 900).collect()
}

fn child(folder: &Path, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped());
    command
}

/// Not a test of its own: the program that is killed. It says which records were confirmed.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    println!("\nopening");
    let journal = Journal::open(Path::new(&folder), OPTIONS).unwrap();
    let say = |text: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
    };
    say(format!("opened {}", journal.recovered().next));
    // One thread appends, so that a record's content follows from its number; two wait.
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (journal, say) = (&journal, &say);
            scope.spawn(move || {
                loop {
                    let next = journal.next_sequence();
                    if next > 0 && journal.durable_end() < next {
                        journal.commit(next - 1).unwrap();
                        say(format!("confirmed {}", next - 1));
                    } else if thread == 0 {
                        std::thread::yield_now();
                    }
                    if next % 50 == 49 {
                        journal.remove_before(next.saturating_sub(400)).unwrap();
                    }
                }
            });
        }
        loop {
            let next = journal.next_sequence();
            let batch: Vec<Vec<u8>> = (next..next + 1 + next % 3).map(payload).collect();
            assert_eq!(journal.append_batch(&batch).unwrap().start, next);
            std::thread::sleep(Duration::from_micros(300));
        }
    });
}

/// Lets a child run for a while and kills it; returns the last record that it said was confirmed.
fn kill_after(mut child: Child, confirmed: &mut Option<u64>, delay: Duration, while_it_opens: bool) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = if while_it_opens { "opening" } else { "opened" };
    assert!(lines.any(|line| line.unwrap().starts_with(first)), "the child ended early");
    std::thread::sleep(delay);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    for line in lines.map_while(Result::ok) {
        if let Some(sequence) = line.strip_prefix("confirmed ").and_then(|text| text.parse().ok()) {
            *confirmed = (*confirmed).max(Some(sequence));
        }
    }
}

#[test]
fn a_killed_program_keeps_what_it_confirmed() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut confirmed, mut last) = (None, 0);
    for round in 0..24u64 {
        // Every third is killed while it opens.
        let while_it_opens = round % 3 == 2;
        let delay = if while_it_opens {
            Duration::from_micros(round * 150)
        } else {
            Duration::from_millis(20 + round * 3)
        };
        let child = child(dir.path(), "child_that_appends_until_it_is_killed").spawn().unwrap();
        kill_after(child, &mut confirmed, delay, while_it_opens);
        if while_it_opens {
            continue; // and the next child opens it
        }
        let journal = Journal::open(dir.path(), OPTIONS).unwrap();
        let found = journal.recovered().clone();
        assert!(confirmed.is_none_or(|sequence| sequence < found.next), "{confirmed:?} {found:?}");
        assert!(found.next >= last);
        last = found.next;
        let mut expected = found.first;
        let visit = |sequence, bytes: &[u8]| {
            assert_eq!((sequence, bytes), (expected, &payload(sequence)[..]));
            expected += 1;
            Ok::<(), Error>(())
        };
        journal.for_each(found.first, visit).unwrap();
        assert_eq!(expected, found.next);
    }
    assert!(confirmed.is_some_and(|sequence| sequence > 50), "{confirmed:?}");
}

/// Not a test of its own: fills the disk, and prints what was confirmed and how it ended.
#[test]
fn child_that_fills_the_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let journal = match Journal::open(Path::new(&folder), OPTIONS) {
        Ok(journal) => journal,
        Err(error) => return println!("\nno journal: {error}"),
    };
    let failed = loop {
        let appended = journal.append(&payload(journal.next_sequence()));
        if let Err(error) = appended.and_then(|sequence| journal.commit(sequence)) {
            break error;
        }
    };
    assert!(matches!(journal.append(b"x"), Err(Error::JournalStopped { .. })));
    println!("\nconfirmed {} {failed}; {}", journal.durable_end(), failed.help().unwrap());
    // Room is made: the files of segments that are not needed.
    drop(journal);
    let journal = Journal::open(Path::new(&folder), OPTIONS).unwrap();
    journal.remove_before(journal.recovered().next).unwrap();
    let sequence = journal.append(&payload(journal.next_sequence())).unwrap();
    println!("after that {sequence} {:?}", journal.commit(sequence).is_ok());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_loses_nothing() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    // A small file system of its own, where the system lets a user make one.
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=200k none \"$SEMRANK_TEST_JOURNAL\" && exec \"$0\" --exact child_that_fills_the_disk --nocapture";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, dir.path())
        .output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return eprintln!("not tested: this system lets no user mount a file system");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let line =
        text.lines().find_map(|line| line.strip_prefix("confirmed ")).unwrap_or_else(|| panic!("{text}"));
    let confirmed: u64 = line.split(' ').next().unwrap().parse().unwrap();
    assert!(confirmed > 100 && line.contains("No space left") && line.contains("free some space"), "{line}");
    assert!(text.contains(&format!("after that {confirmed} true")), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_file_sizes_is_an_error() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --exact child_that_fills_the_disk --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, dir.path())
        .output();
    let Ok(output) = output else { return eprintln!("not tested: no bash") };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no journal: cannot reserve"), "{text}");
    let journal = Journal::open(dir.path(), OPTIONS).unwrap();
    assert_eq!(journal.recovered().next, 0, "what was begun is no journal yet");
}
