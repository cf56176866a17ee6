//! The file of a catalogue's semantic ids: L and K, and L codes per item.

use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_tokens::SemanticIds;
use semrank_tower::artefact::Error as ArtefactError;
use std::path::Path;

/// Its name in the folder of the stage.
pub(crate) const IDS: &str = "ids.safetensors";

/// Writes ids.
pub(crate) fn save_ids(path: &Path, ids: &SemanticIds) -> Result<(), ArtefactError> {
    let codes: Vec<u32> = ids.values().iter().map(|&code| u32::from(code)).collect();
    let shape = [ids.levels() as u32, ids.codes() as u32];
    let tensors = [
        Tensor { name: "levels_codes", shape: [1, 2], values: Values::U32(&shape) },
        Tensor { name: "ids", shape: [1, codes.len()], values: Values::U32(&codes) },
    ];
    Ok(checkpoint::save(path, &tensors)?)
}

/// Reads the ids of `items` items; every number is checked.
///
/// # Errors
/// A file that is damaged or of another catalogue, a code that its level does not have.
pub(crate) fn load_ids(path: &Path, items: usize) -> Result<SemanticIds, ArtefactError> {
    let foreign = |what, got, expected| ArtefactError::Foreign { path: path.to_owned(), what, got, expected };
    let file = Checkpoint::open(path)?;
    let shape = file.read_u32("levels_codes", 2)?;
    let (levels, codes) = (shape[0] as usize, shape[1] as usize);
    if levels == 0 {
        return Err(foreign("the number of levels", "0".into(), "at least 1".into()));
    }
    let found = file.read_u32("ids", items * levels)?;
    let mut values = Vec::with_capacity(found.len());
    for (at, code) in found.into_iter().enumerate() {
        let fits = u16::try_from(code).ok().filter(|&code| usize::from(code) < codes);
        let expected = || format!("a code below {}", codes.min(1 << 16));
        let got = || format!("{code} in level {} of item row {}", at % levels + 1, at / levels);
        values.push(fits.ok_or_else(|| foreign("a code", got(), expected()))?);
    }
    Ok(SemanticIds::new(levels, codes, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file with this shape and these codes, for two items.
    fn said(shape: [u32; 2], codes: &[u32]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(IDS);
        let tensors = [
            Tensor { name: "levels_codes", shape: [1, 2], values: Values::U32(&shape) },
            Tensor { name: "ids", shape: [1, codes.len()], values: Values::U32(codes) },
        ];
        checkpoint::save(&path, &tensors).unwrap();
        load_ids(&path, 2).unwrap_err().to_string()
    }

    #[test]
    fn ids_come_back_as_they_were_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(IDS);
        for codes in [4, 1 << 16] {
            let ids = SemanticIds::new(2, codes, vec![0, 3, (codes - 1) as u16, 1]);
            save_ids(&path, &ids).unwrap();
            assert_eq!(load_ids(&path, 2).unwrap(), ids);
        }
    }

    #[test]
    fn numbers_that_are_no_ids_are_refused_instead_of_believed() {
        let too_large = said([2, 4], &[0, 3, 1, 4]);
        assert!(too_large.contains(IDS), "{too_large}");
        assert!(
            too_large.contains("a code is 4 in level 2 of item row 1, expected a code below 4"),
            "{too_large}"
        );
        // 65536 would be 0 if it were cut to 16 bits.
        let cut = said([2, 100_000], &[0, 65_536, 1, 2]);
        assert!(cut.contains("65536 in level 2 of item row 0, expected a code below 65536"), "{cut}");
        assert!(said([2, 0], &[0, 0, 0, 0]).contains("a code below 0"));
        assert!(said([0, 4], &[0; 4]).contains("the number of levels is 0, expected at least 1"));
        assert!(said([3, 4], &[0; 4]).contains("tensor `ids`"), "another number of levels than codes");
        assert!(said([u32::MAX, u32::MAX], &[0; 4]).contains("tensor `ids`"));
    }
}
