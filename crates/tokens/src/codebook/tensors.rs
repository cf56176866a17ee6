//! A tokenizer's tensors in a safetensors file. `codes` is `[L K x width]`, level after level; product codes are `part.L`,
//! `[K x width of the part]`, since their widths differ.

use super::Header;
use crate::rq_vae::{Scale, Widths};
use crate::{Error, Fitted, Kind, Product, ResidualKmeans, RqVae, Tokenizer, product};
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use std::path::Path;

/// Writes a tokenizer's tensors.
pub(super) fn save(fitted: &Fitted, path: &Path) -> Result<(), Error> {
    let codes = fitted.codes();
    let tensor = |name, rows, values| -> Tensor {
        let cols = <[f32]>::len(values) / rows;
        Tensor { name, shape: [rows, cols], values: Values::F32(values) }
    };
    match fitted {
        Fitted::ResidualKmeans(tokenizer) => {
            let (values, lengths) = (tokenizer.values(), tokenizer.lengths());
            let mut tensors = vec![tensor("codes", tokenizer.levels() * codes, &values)];
            tensors.extend(lengths.as_ref().map(|lengths| tensor("lengths", 1, lengths)));
            checkpoint::save(path, &tensors)?;
        }
        Fitted::Product(tokenizer) => {
            let names: Vec<String> = (0..tokenizer.levels()).map(part_name).collect();
            let parts = names.iter().enumerate();
            let tensors: Vec<Tensor> =
                parts.map(|(part, name)| tensor(name, codes, tokenizer.level(part))).collect();
            checkpoint::save(path, &tensors)?;
        }
        Fitted::RqVae(tokenizer) => {
            let (params, scale, latent) = tokenizer.parts();
            let values = latent.values();
            let tensors = [
                tensor("codes", latent.levels() * codes, &values),
                tensor("deviation", 1, std::slice::from_ref(&scale.deviation)),
                tensor("mean", 1, &scale.mean),
                tensor("network", 1, params),
            ];
            checkpoint::save(path, &tensors)?;
        }
    }
    Ok(())
}

/// Reads the tensors that the checked header names, from the file at `path`.
///
/// # Errors
/// A tensor that is missing, of another shape, or with values that are not finite.
pub(super) fn read(header: &Header, file: &Checkpoint, path: &Path) -> Result<Fitted, Error> {
    let &Header { levels, codes, dim, .. } = header;
    let read = |name: &str, rows: usize, cols: usize| -> Result<Vec<f32>, Error> {
        let values = file.f32s(name, [rows, cols])?;
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(values),
            Some(value) => Err(Error::damaged(path, format!("the tensor `{name}` holds {value}"))),
        }
    };
    Ok(match header.tokenizer {
        Kind::ResidualKmeans => {
            let lengths = header.normalised.then(|| read("lengths", 1, levels)).transpose()?;
            let values = read("codes", levels * codes, dim)?;
            Fitted::ResidualKmeans(ResidualKmeans::from_parts(dim, codes, &values, lengths.as_deref()))
        }
        Kind::Product => {
            let width = |part| product::columns(dim, levels, part).len();
            let part = |part| read(&part_name(part), codes, width(part));
            Fitted::Product(Product::from_parts(dim, (0..levels).map(part).collect::<Result<_, _>>()?))
        }
        Kind::RqVae => {
            let widths = Widths { dim, hidden: header.settings.hidden, latent: header.settings.latent };
            let scale = Scale { mean: read("mean", 1, dim)?, deviation: read("deviation", 1, 1)?[0] };
            let values = read("codes", levels * codes, widths.latent)?;
            let latent = ResidualKmeans::from_parts(widths.latent, codes, &values, None);
            let params = read("network", 1, RqVae::params_len(widths))?;
            Fitted::RqVae(Box::new(RqVae::from_parts(widths, params, scale, latent)))
        }
    })
}

fn part_name(part: usize) -> String {
    format!("part.{part}")
}
