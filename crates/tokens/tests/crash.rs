//! Promise: wherever an append is killed, all of its ids are there afterwards or none, and nothing else changed.

mod common;

use common::{DIM, FEATURES, append, create, dir, names, vectors};
use semrank_tokens::{Collisions, Error, Generation, Rows};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ITEMS: usize = 60;
const LOG: &str = "ids.log";
const HEAD: &str = "generation.json";
/// Names the folder that the killed child appends to.
const CHILD: &str = "SEMRANK_TOKENS_CRASH_DIR";

fn open(path: &Path) -> Generation {
    Generation::open(path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_append_that_stops_after_any_byte_is_not_there_and_can_be_done_again() {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let path = folder.path().join("ids");
    let mut generation = create(&path, Collisions::Reassign);
    append(&mut generation, &names, &vectors, &[0, 1, 2]);
    let (old_ids, old_log, old_head) =
        (generation.ids(), fs::read(path.join(LOG)).unwrap(), fs::read(path.join(HEAD)).unwrap());
    append(&mut generation, &names, &vectors, &[3, 4, 5, 6]);
    let (new_ids, new_log, new_head) =
        (generation.ids(), fs::read(path.join(LOG)).unwrap(), fs::read(path.join(HEAD)).unwrap());
    assert_eq!(new_log[..old_log.len()], old_log);
    let mut zeroed = new_log.clone();
    zeroed[old_log.len()..].fill(0);
    // What the disk may hold before the head was replaced: any part of the segment, or its length without its content.
    let states = (old_log.len()..=new_log.len()).map(|len| new_log[..len].to_vec()).chain([zeroed]);
    for log in states {
        fs::write(path.join(LOG), log).unwrap();
        fs::write(path.join(HEAD), &old_head).unwrap();
        let mut reopened = open(&path);
        assert_eq!(reopened.ids(), old_ids);
        append(&mut reopened, &names, &vectors, &[3, 4, 5, 6]);
        assert_eq!(open(&path).ids(), new_ids);
    }
    // And after it: all of it, behind which a later append may have been killed.
    let mut torn = new_log.clone();
    torn.extend([7; 30]);
    fs::write(path.join(LOG), torn).unwrap();
    fs::write(path.join(HEAD), &new_head).unwrap();
    assert_eq!(open(&path).ids(), new_ids);
}

#[test]
fn an_altered_or_truncated_table_is_refused() {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let path = folder.path().join("ids");
    let mut generation = create(&path, Collisions::Share);
    append(&mut generation, &names, &vectors, &[0, 1, 2]);
    append(&mut generation, &names, &vectors, &[3, 4]);
    let log = fs::read(path.join(LOG)).unwrap();
    for at in 0..log.len() {
        let mut altered = log.clone();
        altered[at] ^= 1;
        for content in [&altered, &log[..at]] {
            fs::write(path.join(LOG), content).unwrap();
            assert!(matches!(Generation::open(&path), Err(Error::Damaged { .. })), "byte {at}");
        }
    }
}

#[test]
fn two_programs_do_not_append_at_once_and_see_what_the_other_did() {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let path = folder.path().join("ids");
    let mut first = create(&path, Collisions::Share);
    let mut second = open(&path);
    append(&mut first, &names, &vectors, &[0, 1]);
    append(&mut second, &names, &vectors, &[1, 2]);
    assert_eq!((second.len(), open(&path).len()), (3, 3));
    let lock = fs::File::open(path.join(LOG)).unwrap();
    lock.lock().unwrap();
    let rows = Rows::new(&vectors[..DIM], DIM);
    let error = first.append(&[&names[5]], &rows, FEATURES).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
}

#[test]
fn appends_of_several_threads_are_all_there() {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let path = folder.path().join("ids");
    create(&path, Collisions::Share);
    let all: Vec<usize> = (0..ITEMS).collect();
    std::thread::scope(|scope| {
        for rows in all.chunks(ITEMS.div_ceil(4)) {
            let (path, names, vectors) = (&path, &names, &vectors);
            scope.spawn(move || {
                let mut generation = open(path);
                for &row in rows {
                    let vector = Rows::new(&vectors[row * DIM..][..DIM], DIM);
                    while let Err(error) = generation.append(&[&names[row]], &vector, FEATURES) {
                        assert!(matches!(error, Error::Busy { .. }), "{error}");
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    let generation = open(&path);
    assert_eq!(generation.len(), ITEMS);
    assert!(names.iter().all(|name| generation.of(name).is_some()));
}

#[test]
fn children_that_other_threads_start_do_not_keep_the_table_busy() {
    let (folder, names, vectors) = (dir(), names(ITEMS), vectors(ITEMS));
    let mut generation = create(&folder.path().join("ids"), Collisions::Share);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                let listing = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
                assert!(listing.status.success());
            }
        });
        (0..ITEMS).for_each(|row| append(&mut generation, &names, &vectors, &[row]));
    });
}

#[test]
fn a_killed_program_leaves_whole_appends() {
    for round in 0..12 {
        let folder = dir();
        let path = folder.path().join("ids");
        create(&path, Collisions::Share);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_killed_program", "--exact", "--ignored"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(15 + 7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let generation = open(&path);
        assert!(generation.len().is_multiple_of(5), "{} items of appends of 5", generation.len());
        let mut again = open(&path);
        append(&mut again, &names(ITEMS), &vectors(ITEMS), &(0..ITEMS).collect::<Vec<_>>());
        assert_eq!(again.ids().values()[..generation.ids().values().len()], *generation.ids().values());
    }
}

#[test]
#[ignore = "run and killed by the test above; 1 second"]
fn the_killed_program() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (mut generation, names, vectors) = (open(Path::new(&path)), names(ITEMS), vectors(ITEMS));
    for first in (0..ITEMS).step_by(5) {
        append(&mut generation, &names, &vectors, &(first..first + 5).collect::<Vec<_>>());
    }
}
