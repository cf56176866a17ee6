//! Runs damaged files through a reader in child processes, so that an abort, a stack overflow or a hang is a failed case and
//! not the end of the test.
//!
//! The parent writes the valid files of a target once and starts a child of this test binary, which takes case after case: it
//! writes one damaged file, reads it, puts the valid one back, and says so on standard output. The parent kills a child that
//! is silent for longer than [`LONGEST`], keeps the damaged file of every failure, and goes on with the next case.

use crate::mutate::mutate;
use semrank_core::Rng;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The longest time of one case.
const LONGEST: Duration = Duration::from_secs(10);
/// Address space of a child, in KiB: an allocation beyond it aborts. Threads and arenas reserve some of it.
const ADDRESS_SPACE_KIB: u64 = 3 << 20;
/// Memory of a case: so much, and ten times the file.
const MEMORY_BYTES: u64 = 200 << 20;
/// A target ends with its failures after so many.
const MOST_FAILURES: usize = 20;

const CHILD: &str = "SEMRANK_FUZZ_CHILD";

/// A reader, and how to make what it reads.
pub(crate) struct Subject {
    /// Name of its folder.
    pub(crate) name: &'static str,
    /// Writes valid files into a folder and returns the names of those to damage.
    pub(crate) make: fn(&Path) -> Vec<String>,
    /// Reads the folder. What it says about a damaged file does not matter, that it comes back does.
    pub(crate) read: fn(&Path) -> Result<(), String>,
}

/// Readers that share a test.
pub(crate) struct Target {
    /// Name, as the test has it.
    pub(crate) name: &'static str,
    /// They take turns at random.
    pub(crate) subjects: &'static [Subject],
}

/// An error as text; for `map_err`.
pub(crate) fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}: a number")))
}

/// A damaged file: which, and what is in it.
struct Case {
    subject: usize,
    file: PathBuf,
    bytes: Vec<u8>,
}

/// The valid files of a target.
struct Seeds {
    root: PathBuf,
    name: &'static str,
    /// Subject, path, content.
    files: Vec<(usize, PathBuf, Vec<u8>)>,
    subjects: usize,
}

impl Seeds {
    fn make(target: &Target, root: &Path) -> Seeds {
        let mut list = String::new();
        for (at, subject) in target.subjects.iter().enumerate() {
            let folder = root.join(subject.name);
            std::fs::create_dir_all(&folder).expect("a folder");
            for file in (subject.make)(&folder) {
                list += &format!("{at}\t{}\n", folder.join(file).display());
            }
        }
        std::fs::write(root.join("seeds"), list).expect("a list");
        Seeds::open(target, root)
    }

    fn open(target: &Target, root: &Path) -> Seeds {
        let list = std::fs::read_to_string(root.join("seeds")).expect("a list");
        let parse = |line: &str| {
            let (at, path) = line.split_once('\t').expect("a subject and a file");
            let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            (at.parse().expect("a number"), PathBuf::from(path), bytes)
        };
        let files = list.lines().map(parse).collect();
        Seeds { root: root.to_owned(), name: target.name, files, subjects: target.subjects.len() }
    }

    fn case(&self, seed: u64, case: u64) -> Case {
        let mut rng = Rng::new(seed, self.name).fork(case);
        let subject = rng.below(self.subjects);
        let own: Vec<_> = self.files.iter().filter(|(at, ..)| *at == subject).collect();
        let (_, file, bytes) = own[rng.below(own.len())];
        let other = &self.files[rng.below(self.files.len())].2;
        Case { subject, file: file.clone(), bytes: mutate(bytes, other, &mut rng) }
    }

    fn restore(&self) {
        self.files.iter().for_each(|(_, path, bytes)| std::fs::write(path, bytes).expect("a file"));
    }
}

/// Runs a target: a few seconds, or as `SEMRANK_FUZZ_SECONDS` or `SEMRANK_FUZZ_CASES` say, from `SEMRANK_FUZZ_SEED` on.
pub(crate) fn run(target: &Target) {
    if let Ok(job) = std::env::var(CHILD) {
        return child(target, &job);
    }
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let seeds = Seeds::make(target, root.path());
    for subject in target.subjects {
        // A target whose valid files are refused would try nothing.
        let read = (subject.read)(&root.path().join(subject.name));
        read.unwrap_or_else(|error| panic!("{}: the files as they are: {error}", subject.name));
    }
    let seed = number("SEMRANK_FUZZ_SEED").unwrap_or(1);
    let cases = number("SEMRANK_FUZZ_CASES").unwrap_or(u64::MAX);
    let default = if cases == u64::MAX { 2 } else { u64::MAX >> 32 };
    let until = Duration::from_secs(number("SEMRANK_FUZZ_SECONDS").unwrap_or(default));
    let mut run = Run { seeds, seed, next: 0, cases, accepted: 0, failures: BTreeMap::new() };
    let start = Instant::now();
    while run.next < cases && start.elapsed() < until && run.failures.len() < MOST_FAILURES {
        run.batch(target, until.saturating_sub(start.elapsed()));
    }
    run.report(target, start.elapsed());
}

struct Run {
    seeds: Seeds,
    seed: u64,
    next: u64,
    cases: u64,
    accepted: u64,
    /// By case.
    failures: BTreeMap<u64, String>,
}

impl Run {
    /// One child: until it is done or a case ends it.
    fn batch(&mut self, target: &Target, time: Duration) {
        self.seeds.restore();
        let job = format!("{}\t{}\t{}\t{}", self.seeds.root.display(), self.seed, self.next, self.cases);
        let mut child = start_child(target, &job);
        let lines = lines_of(&mut child);
        let (start, mut is_done) = (Instant::now(), false);
        let ended = loop {
            match lines.recv_timeout(LONGEST) {
                Ok(line) => is_done |= self.take(&line),
                Err(RecvTimeoutError::Timeout) => break Some("no end after 10 s".to_owned()),
                Err(RecvTimeoutError::Disconnected) if is_done => break None,
                Err(RecvTimeoutError::Disconnected) => {
                    break Some(format!("the process ended: {}", child.wait().map_or_else(said, said)));
                }
            }
            if is_done || start.elapsed() > time {
                break None;
            }
        };
        stop(&mut child);
        if let Some(what) = ended {
            self.fail(self.next, what);
            self.next += 1;
        }
    }

    /// A line of the child; whether it was the last one.
    fn take(&mut self, line: &str) -> bool {
        let mut words = line.splitn(3, '\t');
        let (kind, case) = (words.next().unwrap_or(""), words.next().and_then(|word| word.parse().ok()));
        match (kind, case) {
            ("done", _) => return true,
            ("fail", Some(case)) => self.fail(case, words.next().unwrap_or("").to_owned()),
            ("accepted", Some(_)) => self.accepted += 1,
            _ => {}
        }
        if let Some(case) = case.filter(|_| kind != "start") {
            self.next = case + 1;
        }
        false
    }

    /// Keeps the damaged file of a case.
    fn fail(&mut self, case: u64, what: String) {
        let Case { file, bytes, .. } = self.seeds.case(self.seed, case);
        let name = file.strip_prefix(&self.seeds.root).unwrap_or(&file).display().to_string();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        let kept =
            folder.join(format!("{}-{}-{case}-{}", self.seeds.name, self.seed, name.replace('/', "_")));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&kept, bytes).expect("a file");
        self.failures.insert(case, format!("case {case}, {name}: {what}\n    kept as {}", kept.display()));
    }

    fn report(self, target: &Target, took: Duration) {
        println!(
            "fuzz {}: {} cases in {:.0} s from seed {}, {} read, {} failures",
            target.name,
            self.next,
            took.as_secs_f64(),
            self.seed,
            self.accepted,
            self.failures.len()
        );
        assert!(self.next > 0, "{}: no case was tried", target.name);
        let list: Vec<&str> = self.failures.values().map(String::as_str).collect();
        assert!(list.is_empty(), "{} with seed {}:\n  {}", target.name, self.seed, list.join("\n  "));
    }
}

/// This test binary once more, with limits, as a process group of its own.
fn start_child(target: &Target, job: &str) -> Child {
    let program = std::env::current_exe().expect("the test's own path");
    let script = format!("ulimit -c 0; ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .args(["--exact", target.name, "--nocapture", "--quiet", "--test-threads=1"])
        .env(CHILD, job)
        .env("RAYON_NUM_THREADS", "2")
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a child")
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (send, receive) = channel();
    let out = child.stdout.take().expect("it is piped");
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let Some(line) = line.strip_prefix("\u{1}") else { continue };
            if send.send(line.to_owned()).is_err() {
                break;
            }
        }
    });
    receive
}

/// Ends a child and what it has started.
fn stop(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.wait();
}

static PANIC: Mutex<String> = Mutex::new(String::new());

/// The other side: case after case.
fn child(target: &Target, job: &str) {
    let job: Vec<&str> = job.split('\t').collect();
    let [root, seed, from, to] = job[..] else { panic!("a folder, a seed, and two cases") };
    let [seed, from, to] = [seed, from, to].map(|word| word.parse::<u64>().expect("a number"));
    let seeds = Seeds::open(target, Path::new(root));
    std::panic::set_hook(Box::new(|info| {
        if let Ok(mut last) = PANIC.lock() {
            *last = info.to_string().replace('\n', " ");
        }
    }));
    for case in from..to {
        println!("\u{1}start\t{case}");
        match try_case(target, &seeds, &seeds.case(seed, case)) {
            Ok(true) => println!("\u{1}accepted\t{case}"),
            Ok(false) => println!("\u{1}refused\t{case}"),
            Err(what) => println!("\u{1}fail\t{case}\t{what}"),
        }
    }
    println!("\u{1}done");
}

/// Whether the damaged file was read all the same; an error where that broke a promise.
fn try_case(target: &Target, seeds: &Seeds, case: &Case) -> Result<bool, String> {
    let subject = &target.subjects[case.subject];
    let folder = seeds.root.join(subject.name);
    std::fs::write(&case.file, &case.bytes).expect("a file");
    let before = Memory::start();
    let read = catch_unwind(AssertUnwindSafe(|| (subject.read)(&folder)));
    let peak = before.peak_bytes();
    let whole = seeds.files.iter().find(|(_, path, _)| *path == case.file).expect("one of the files");
    std::fs::write(&case.file, &whole.2).expect("a file");
    let allowed = MEMORY_BYTES + 10 * case.bytes.len() as u64;
    match read {
        Err(_) => Err(PANIC.lock().map_or_else(|_| "a panic".into(), |last| last.clone())),
        Ok(_) if peak > allowed => Err(format!("{} MB for a file of {} bytes", peak >> 20, case.bytes.len())),
        Ok(Err(what)) if what.starts_with(BROKEN) => Err(what),
        Ok(read) => Ok(read.is_ok()),
    }
}

/// How a reader in a process of its own says that this process broke a promise.
pub(crate) const BROKEN: &str = "broken: ";

/// Resident memory before a case; where the system does not tell, nothing is measured.
struct Memory(Option<u64>);

impl Memory {
    fn start() -> Memory {
        // Sets the peak back to what is resident now.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Memory(status_bytes("VmRSS:"))
    }

    fn peak_bytes(&self) -> u64 {
        let peak = status_bytes("VmHWM:").unwrap_or(0);
        self.0.map_or(0, |before| peak.saturating_sub(before))
    }
}

fn status_bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// That aborts and hangs are seen is shown by what was found (`docs/fuzzing.md`); these two are not among it.
#[test]
fn panics_and_large_allocations_are_noticed() {
    fn make(folder: &Path) -> Vec<String> {
        std::fs::write(folder.join("file"), "valid").expect("a file");
        vec!["file".into()]
    }
    let outcome = |read| {
        let root = tempfile::tempdir().expect("a folder");
        let subjects = Box::leak(Box::new([Subject { name: "one", make, read }]));
        let target = Target { name: "noticed", subjects };
        let seeds = Seeds::make(&target, root.path());
        try_case(&target, &seeds, &seeds.case(1, 1))
    };
    assert!(outcome(|_| panic!("expected by this test")).is_err());
    let large = outcome(|_| {
        let bytes = std::hint::black_box(vec![1u8; 300 << 20]);
        Err(format!("{} bytes", bytes.len()))
    });
    assert!(large.is_err_and(|what| what.contains("MB")));
    assert_eq!(outcome(|_| Err(format!("{BROKEN}a signal"))), Err(format!("{BROKEN}a signal")));
}
