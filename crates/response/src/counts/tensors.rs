//! Counts to and from a file.
//!
//! | tensor | holds |
//! |---|---|
//! | `counts.…`, `sums.…` | of each member of a scope, and of all: six counts, two sums |
//! | `slots` | impressions and clicks of each slot |
//! | `pending.…` | impressions whose labels are on their way |
//! | `past.…` | how many labels of each user there were, how many are kept, and those |

use super::past::{Past, Pasts};
use super::pending::{Pending, Stage};
use super::sums::Sums;
use super::{CountState, Counting, Expected, SCOPES, Subject};
use crate::tensors::{Rows, Tensors, pieces, total};
use semrank_core::narrow;
use semrank_tower::artefact::Error;
use std::collections::BTreeMap;

const NAMES: [&str; SCOPES] = ["users", "items", "advertisers", "pairs"];
const ALL: &str = "all";
const OF_SUMS: usize = 6;
const OF_PENDING: usize = 5;

impl CountState {
    pub(crate) fn save(&self, out: &mut Tensors) {
        for (name, scope) in NAMES.into_iter().zip(&self.scopes) {
            save_sums(name, scope, out);
        }
        save_sums(ALL, &[self.total], out);
        out.u32s("slots", self.slots.iter().flatten().copied());
        self.save_pending(out);
        self.pasts.save(out);
    }

    /// What was saved.
    ///
    /// # Errors
    /// A missing tensor, or one of another type or length.
    pub(crate) fn load(rows: &Rows, counting: Counting) -> Result<Self, Error> {
        let [users, items, advertisers, pairs] = NAMES.map(|name| load_sums(name, rows));
        let scopes = [users?, items?, advertisers?, pairs?];
        rows.check(
            "advertisers without pairs",
            usize::from(scopes[3].is_empty()),
            usize::from(scopes[2].is_empty()),
        )?;
        let total = load_sums(ALL, rows)?;
        rows.check("sums of all impressions", total.len(), 1)?;
        let slots = rows.u32s("slots")?.as_chunks().0.to_vec();
        let pasts = Pasts::load(rows, scopes[0].len(), counting.affinity)?;
        let mut out = Self { counting, scopes, slots, total: total[0], pending: Default::default(), pasts };
        out.load_pending(rows)?;
        Ok(out)
    }

    /// How much is kept, for the facts beside the tensors.
    pub(crate) fn counting(&self) -> Counting {
        self.counting
    }

    /// Items that are counted.
    pub(crate) fn items(&self) -> usize {
        self.scopes[1].len()
    }

    fn save_pending(&self, out: &mut Tensors) {
        let pending: BTreeMap<u64, &Pending> = self.pending.iter().map(|(&id, of)| (id, of)).collect();
        out.u64s("pending.impressions", pending.keys().copied());
        let about = |of: &&Pending| {
            let Subject { user, item, advertiser, slot } = of.subject;
            [user, item, advertiser, u32::from(slot), of.stage.bits()]
        };
        out.u32s("pending.about", pending.values().flat_map(about));
        let expected = |of: &&Pending| {
            let Expected { slot, user, item, both } = of.expected;
            [slot, user, item, both]
        };
        out.f32s("pending.expected", pending.values().flat_map(expected));
    }

    fn load_pending(&mut self, rows: &Rows) -> Result<(), Error> {
        let impressions = rows.u64s("pending.impressions")?;
        let about = rows.u32s_of("pending.about", impressions.len() * OF_PENDING)?;
        let expected = rows.f32s_of("pending.expected", impressions.len() * 4)?;
        let each = about.as_chunks().0.iter().zip(expected.as_chunks().0);
        for (&impression, (&[user, item, advertiser, slot, stage], &[of_slot, of_user, of_item, both])) in
            impressions.iter().zip(each)
        {
            let subject = Subject { user, item, advertiser, slot: slot as u16 };
            let expected = Expected { slot: of_slot, user: of_user, item: of_item, both };
            self.pending.insert(impression, Pending { subject, expected, stage: Stage::of_bits(stage) });
        }
        Ok(())
    }
}

fn save_sums(name: &str, scope: &[Sums], out: &mut Tensors) {
    let counts =
        |of: &Sums| [of.rows, of.clicks, of.convertible, of.conversions, of.mature, of.mature_conversions];
    out.u32s(format!("counts.{name}"), scope.iter().flat_map(counts));
    out.f64s(format!("sums.{name}"), scope.iter().flat_map(|of| [of.expected, of.residual]));
}

fn load_sums(name: &str, rows: &Rows) -> Result<Vec<Sums>, Error> {
    let counts = rows.u32s(&format!("counts.{name}"))?;
    let (counts, rest) = counts.as_chunks::<OF_SUMS>();
    rows.check("numbers behind the last counts", rest.len(), 0)?;
    let sums = rows.f64s_of(&format!("sums.{name}"), 2 * counts.len())?;
    let of = |(&counts, &[expected, residual]): (&[u32; OF_SUMS], &[f64; 2])| {
        let [rows, clicks, convertible, conversions, mature, mature_conversions] = counts;
        Sums { rows, clicks, convertible, conversions, mature, mature_conversions, expected, residual }
    };
    Ok(counts.iter().zip(sums.as_chunks().0).map(of).collect())
}

impl Pasts {
    fn save(&self, out: &mut Tensors) {
        let all = || self.of_users.iter().flatten();
        out.u32s("past.remembered", self.remembered.iter().copied());
        out.u32s("past.lengths", self.of_users.iter().map(|past| narrow::count(past.len())));
        out.u64s("past.impressions", all().map(|old| old.impression));
        out.u32s("past.items", all().map(|old| old.item));
        out.f32s("past.residuals", all().flat_map(|old| [old.residual, old.over_slot, old.over_user]));
    }

    fn load(rows: &Rows, users: usize, most: usize) -> Result<Self, Error> {
        let remembered = rows.u32s_of("past.remembered", users)?;
        let lengths = rows.u32s_of("past.lengths", if most > 0 { users } else { 0 })?;
        let impressions = rows.u64s("past.impressions")?;
        rows.check("labels of all users", total(&lengths), impressions.len())?;
        let items = rows.u32s_of("past.items", impressions.len())?;
        let residuals = rows.f32s_of("past.residuals", 3 * impressions.len())?;
        let each = impressions.iter().zip(items).zip(residuals.as_chunks().0);
        let all: Vec<Past> = each
            .map(|((&impression, item), &[residual, over_slot, over_user])| Past {
                impression,
                item,
                residual,
                over_slot,
                over_user,
            })
            .collect();
        let of_users = pieces(&all, &lengths).map(<[Past]>::to_vec).collect();
        Ok(Self { most, of_users, remembered })
    }
}
