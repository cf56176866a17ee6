//! The key that signs the cursors of a run's pages: 32 random bytes in a file that only its owner can read, made when it is first needed.

use crate::Error;
use semrank_retrieve::CursorKey;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

const FILE: &str = "cursor.key";
const BYTES: usize = 32;

/// The key of a run folder. Two processes that need it first at the same time get the same one: the file appears whole, and the second one
/// takes what is there.
pub(crate) fn open(run: &Path) -> Result<CursorKey, Error> {
    let path = run.join(FILE);
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => return other.map(CursorKey::new).map_err(Error::io("read", &path)),
    }
    random::<8>()
        .and_then(|name| publish(&run.join(format!(".{FILE}.{:016x}", u64::from_le_bytes(name))), &path))
        .and_then(|()| read(&path))
        .map(CursorKey::new)
        .map_err(Error::io("make", &path))
}

/// Makes a key under another name and gives it its own, unless a key has that already.
fn publish(made: &Path, path: &Path) -> std::io::Result<()> {
    let done = make(made).and_then(|()| match std::fs::hard_link(made, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // A file system without links: of two keys made at the same time the later one stays.
        Err(_) => std::fs::rename(made, path),
    });
    let _ = std::fs::remove_file(made);
    done
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(std::io::Error::other)?;
    Ok(out)
}

fn read(path: &Path) -> std::io::Result<[u8; BYTES]> {
    let mut out = [0; BYTES];
    File::open(path)?.read_exact(&mut out)?;
    Ok(out)
}

fn make(path: &Path) -> std::io::Result<()> {
    let bytes = random::<BYTES>()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_retrieve::{Cursor, Scope};

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let scope = Scope::of([]);
        let text = Cursor::first(0).seal(&open(dir.path()).unwrap(), scope).unwrap();
        assert!(Cursor::open(&text, &open(dir.path()).unwrap(), scope).is_ok());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        std::fs::write(dir.path().join(FILE), "short").unwrap();
        assert!(open(dir.path()).is_err(), "a damaged key is not replaced: it would void all cursors");
        let other = tempfile::tempdir().unwrap();
        assert!(Cursor::open(&text, &open(other.path()).unwrap(), scope).is_err());
    }

    #[test]
    fn who_needs_the_key_at_the_same_time_gets_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let scope = Scope::of([]);
        let seal = || Cursor::first(0).seal(&open(dir.path()).unwrap(), scope).unwrap();
        let texts: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(seal)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
