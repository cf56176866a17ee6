//! Effects to and from a file: what was fitted; what follows from it for each item is computed again.

use super::ContentEffects;
use super::contents::Contents;
use super::items::ItemEffects;
use super::taste::{Fitted, Taste, WEIGHTS};
use crate::items::Items;
use crate::tensors::{Rows, Tensors};
use semrank_tower::artefact::Error;

impl ContentEffects {
    pub(crate) fn save(&self, out: &mut Tensors) {
        out.f32s("effects.mean", self.contents.mean().iter().copied());
        for (name, effects) in [("clicks", Some(&self.clicks)), ("conversions", self.conversions.as_ref())] {
            let Some(effects) = effects else { continue };
            out.f32s(format!("effects.{name}"), effects.weights.iter().copied());
            out.f32s(format!("effects.{name}.variances"), [effects.rest, effects.variance]);
        }
        out.f32s("effects.units", [self.unit, self.taste.scale]);
        out.f64s("effects.next_fit", [self.next_fit]);
        out.f32s("taste.directions", self.taste.directions.iter().flatten().copied());
        let Fitted { covariance, precision, variance } = &self.taste.fitted;
        out.f64s("taste.covariance", covariance.iter().copied());
        out.f64s("taste.precision", precision.iter().copied());
        out.f64s("taste.variance", [*variance]);
    }

    /// What was saved.
    ///
    /// # Errors
    /// A missing tensor, or one of another type or length.
    pub(crate) fn load(rows: &Rows, items: &Items, conversions: bool) -> Result<Self, Error> {
        let width = items.width();
        let contents = Contents::with_mean(rows.f32s_of("effects.mean", width)?, items);
        let effects = |name: &str| {
            let weights = rows.f32s(&format!("effects.{name}"))?;
            if !weights.is_empty() {
                rows.check("width of an effect of content", weights.len(), width)?;
            }
            let variances = rows.f32s_of(&format!("effects.{name}.variances"), 2)?;
            Ok::<_, Error>(ItemEffects::fitted(weights, [variances[0], variances[1]], (&contents, items)))
        };
        let (clicks, conversions) = (effects("clicks")?, conversions.then(|| effects("conversions")));
        let units = rows.f32s_of("effects.units", 2)?;
        let directions = rows.f32s_of("taste.directions", Taste::directions(width) * width)?;
        let square = |name: &str| {
            let values = rows.f64s(name)?;
            if !values.is_empty() {
                rows.check("size of a covariance", values.len(), WEIGHTS * WEIGHTS)?;
            }
            Ok::<_, Error>(values)
        };
        let fitted = Fitted {
            covariance: square("taste.covariance")?,
            precision: square("taste.precision")?,
            variance: rows.f64s_of("taste.variance", 1)?[0],
        };
        let directions = directions.chunks_exact(width).map(<[f32]>::to_vec).collect();
        Ok(Self {
            taste: Taste::fitted(directions, units[1], fitted, (&contents, items)),
            clicks,
            conversions: conversions.transpose()?,
            contents,
            unit: units[0],
            next_fit: rows.f64s_of("effects.next_fit", 1)?[0],
        })
    }
}
