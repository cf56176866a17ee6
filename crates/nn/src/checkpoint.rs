//! Tensors to and from safetensors files.
//!
//! The file's bytes depend only on the tensors (no metadata, tensors in a fixed order), so equal training gives equal
//! files. Files are written under the given name at once: give a temporary name and rename it.

use crate::weights::{self, Dtype, Safetensors, Stream};
use safetensors::View;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not a safetensors file.
    #[error("{path} is not a safetensors file, or was cut short: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tensor is missing.
    #[error("{path} has no tensor `{name}`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape or type than the model.
    #[error("{path}: tensor `{name}` is {got}, the model expects {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// In the file.
        got: String,
        /// In the model.
        expected: String,
    },
}

/// A named tensor to write.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its shape.
    pub shape: [usize; 2],
    /// Its values, row-major.
    pub values: Values<'a>,
}

/// Values of a tensor.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 32-bit integers: rows of tables.
    U32(&'a [u32]),
    /// 64-bit integers: counters and generator states.
    U64(&'a [u64]),
    /// 64-bit floats: sums and scores.
    F64(&'a [f64]),
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::U32(_) => Dtype::U32,
            Values::U64(_) => Dtype::U64,
            Values::F64(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.values {
            Values::F32(values) => bytes(values, |value| value.to_le_bytes()),
            Values::U32(values) => bytes(values, |value| value.to_le_bytes()),
            Values::U64(values) => bytes(values, |value| value.to_le_bytes()),
            Values::F64(values) => bytes(values, |value| value.to_le_bytes()),
        }
    }

    fn data_len(&self) -> usize {
        match self.values {
            Values::F32(values) => size_of_val(values),
            Values::U32(values) => size_of_val(values),
            Values::U64(values) => size_of_val(values),
            Values::F64(values) => size_of_val(values),
        }
    }
}

fn bytes<T: Copy, const N: usize>(values: &[T], of: impl Fn(T) -> [u8; N]) -> Cow<'static, [u8]> {
    let mut out = vec![0; values.len() * N];
    out.as_chunks_mut::<N>().0.iter_mut().zip(values).for_each(|(out, &value)| *out = of(value));
    out.into()
}

/// Writes `tensors` to `path`.
///
/// # Errors
/// When the file cannot be written.
///
/// # Panics
/// When a shape does not fit its values.
pub fn save(path: &Path, tensors: &[Tensor]) -> Result<(), Error> {
    for tensor in tensors {
        let len = tensor.data_len() * 8 / tensor.dtype().bitsize();
        assert_eq!(len, tensor.shape.iter().product::<usize>(), "{}", tensor.name);
    }
    safetensors::serialize_to_file(tensors.iter().map(|t| (t.name, *t)), None, path).map_err(|source| {
        match source {
            safetensors::SafeTensorError::IoError(source) => Error::Io { path: path.to_path_buf(), source },
            source => Error::Format { path: path.to_path_buf(), source: source.into() },
        }
    })?;
    allow_reading(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })
}

// The library makes private files; a checkpoint is meant to be shared like any other output.
#[cfg(unix)]
fn allow_reading(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn allow_reading(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Bytes that are in memory at a time while a tensor is read.
const BLOCK: usize = 1 << 18;

/// A checkpoint file whose table was read; tensors are read when they are asked for, so that none is in memory twice.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: Mutex<File>,
    table: Safetensors,
}

impl Checkpoint {
    /// Opens a file and reads its table.
    ///
    /// # Errors
    /// When it cannot be read or is not whole.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let mut stream = Stream::new(&mut file, len, path.to_owned(), weights::EXPECTED);
        let table = Safetensors::read(&mut stream).map_err(|error| {
            let reason = match error {
                weights::Error::Damaged { reason, .. } => reason,
                other => other.to_string(),
            };
            Error::Format { path: path.to_path_buf(), source: reason.into() }
        })?;
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(file), table })
    }

    /// Copies a float tensor into `into`.
    ///
    /// # Errors
    /// When it is missing or has another shape or type, or cannot be read.
    pub fn read_f32(&self, name: &str, shape: [usize; 2], into: &mut [f32]) -> Result<(), Error> {
        let mut values = into.iter_mut();
        self.each_block(name, Dtype::F32, shape, |block| {
            let (block, _) = block.as_chunks();
            values.by_ref().zip(block).for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes));
        })
    }

    /// Whether there is a float tensor of this shape: settings that another file claims are compared with it before anything
    /// of their size is allocated.
    ///
    /// # Errors
    /// When it is missing or has another shape or type.
    pub fn check_f32(&self, name: &str, shape: [usize; 2]) -> Result<(), Error> {
        self.place(name, Dtype::F32, shape).map(drop)
    }

    /// A float tensor. Nothing is allocated for a shape that the file does not have, so it may be a claim of another file.
    ///
    /// # Errors
    /// As [`Checkpoint::read_f32`].
    pub fn f32s(&self, name: &str, shape: [usize; 2]) -> Result<Vec<f32>, Error> {
        self.values(name, Dtype::F32, shape, f32::from_le_bytes)
    }

    /// A tensor of 32-bit integers, `[1 x len]`.
    ///
    /// # Errors
    /// As [`Checkpoint::read_f32`].
    pub fn read_u32(&self, name: &str, len: usize) -> Result<Vec<u32>, Error> {
        self.values(name, Dtype::U32, [1, len], u32::from_le_bytes)
    }

    /// The columns of a tensor `[1 x len]`.
    ///
    /// # Errors
    /// When it is missing or has more than one row.
    pub fn len_of(&self, name: &str) -> Result<usize, Error> {
        match self.tensor(name)?.shape[..] {
            [1, len] => Ok(len),
            ref shape => Err(self.mismatch(name, format!("{shape:?}"), "one row".into())),
        }
    }

    /// A tensor of 64-bit integers, `[1 x len]`.
    ///
    /// # Errors
    /// As [`Checkpoint::read_f32`].
    pub fn read_u64(&self, name: &str, len: usize) -> Result<Vec<u64>, Error> {
        self.values(name, Dtype::U64, [1, len], u64::from_le_bytes)
    }

    /// A tensor of 64-bit floats, `[1 x len]`.
    ///
    /// # Errors
    /// As [`Checkpoint::read_f32`].
    pub fn read_f64(&self, name: &str, len: usize) -> Result<Vec<f64>, Error> {
        self.values(name, Dtype::F64, [1, len], f64::from_le_bytes)
    }

    fn values<const N: usize, T>(
        &self,
        name: &str,
        dtype: Dtype,
        shape: [usize; 2],
        of: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Error> {
        let place = self.place(name, dtype, shape)?;
        let mut out = Vec::with_capacity((place.end() - place.start()) as usize / N);
        let take = |block: &[u8]| out.extend(block.as_chunks().0.iter().map(|&bytes| of(bytes)));
        self.each_block(name, dtype, shape, take)?;
        Ok(out)
    }

    /// Calls `take` with the bytes of a tensor, block by block; blocks hold whole values.
    fn each_block(
        &self,
        name: &str,
        dtype: Dtype,
        shape: [usize; 2],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let place = self.place(name, dtype, shape)?;
        let io = |source| Error::Io { path: self.path.clone(), source };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place.start())).map_err(io)?;
        let mut left = (place.end() - place.start()) as usize;
        let mut block = vec![0; left.min(BLOCK)];
        while left > 0 {
            let block = &mut block[..left.min(BLOCK)];
            file.read_exact(block).map_err(io)?;
            take(block);
            left -= block.len();
        }
        Ok(())
    }

    fn place(&self, name: &str, dtype: Dtype, shape: [usize; 2]) -> Result<weights::Rows, Error> {
        let tensor = self.tensor(name)?;
        if tensor.dtype != dtype || tensor.shape != shape {
            let got = format!("{:?} {:?}", tensor.dtype, tensor.shape);
            return Err(self.mismatch(name, got, format!("{dtype:?} {shape:?}")));
        }
        Ok(tensor.place)
    }

    fn tensor(&self, name: &str) -> Result<&weights::Entry, Error> {
        self.table
            .find(name)
            .ok_or_else(|| Error::Missing { path: self.path.clone(), name: name.to_string() })
    }

    fn mismatch(&self, name: &str, got: String, expected: String) -> Error {
        Error::Mismatch { path: self.path.clone(), name: name.to_string(), got, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("semrank-checkpoint-{}-{name}", std::process::id()))
    }

    #[test]
    fn what_was_saved_is_read_back_bit_by_bit() {
        let path = path("round-trip");
        let values = [1.5, -0.0, f32::MIN_POSITIVE, f32::NAN, 3.0, 4.0];
        let tensors = [
            Tensor { name: "weight", shape: [2, 3], values: Values::F32(&values) },
            Tensor { name: "step", shape: [1, 1], values: Values::U64(&[u64::MAX]) },
            Tensor { name: "rows", shape: [1, 2], values: Values::U32(&[7, u32::MAX]) },
            Tensor { name: "scores", shape: [1, 2], values: Values::F64(&[0.1, 1.0 - 1e-12]) },
        ];
        save(&path, &tensors).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let mut got = [0.0; 6];
        checkpoint.read_f32("weight", [2, 3], &mut got).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&got), bits(&values));
        assert_eq!(checkpoint.read_u64("step", 1).unwrap(), [u64::MAX]);
        assert_eq!(checkpoint.read_u32("rows", 2).unwrap(), [7, u32::MAX]);
        assert_eq!(checkpoint.read_f64("scores", 2).unwrap(), [0.1, 1.0 - 1e-12]);
        assert_eq!(bits(&checkpoint.f32s("weight", [2, 3]).unwrap()), bits(&values));
        assert_eq!(checkpoint.len_of("rows").unwrap(), 2);
        assert!(checkpoint.len_of("weight").unwrap_err().to_string().contains("one row"));
        let said = checkpoint.read_f32("weight", [3, 2], &mut got).unwrap_err().to_string();
        assert!(said.contains("`weight` is F32 [2, 3], the model expects F32 [3, 2]"), "{said}");
        assert!(checkpoint.read_u64("weigth", 1).unwrap_err().to_string().contains("no tensor `weigth`"));

        for claimed in [[1 << 31, 1 << 31], [1, usize::MAX]] {
            assert!(matches!(checkpoint.f32s("weight", claimed), Err(Error::Mismatch { .. })));
        }

        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(Checkpoint::open(&path).unwrap_err().to_string().contains("cut short"));
        std::fs::remove_file(&path).unwrap();
    }
}
