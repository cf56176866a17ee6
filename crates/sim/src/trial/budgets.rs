//! Campaigns and their daily budgets: clicks are charged, ads pause when their campaign cannot pay another click.

use crate::impressions::Ad;
use crate::impressions::catalog::{CAMPAIGNS, Supply};

/// The campaigns of a market; a campaign's number is `CAMPAIGNS * advertiser + its number within it`.
#[derive(Debug, Clone)]
pub(crate) struct Campaigns {
    /// Campaign of every ad.
    pub(crate) of_ad: Vec<usize>,
    /// Rows of the ads of every campaign; some have none.
    pub(crate) ads: Vec<Vec<u32>>,
    /// Name as in a data set.
    pub(crate) ids: Vec<String>,
}

impl Campaigns {
    pub(crate) fn new(supply: &Supply) -> Campaigns {
        let number = |ad: &Ad| CAMPAIGNS * ad.advertiser + ad.campaign;
        let of_ad: Vec<usize> = supply.ads.iter().map(number).collect();
        let mut ads = vec![Vec::new(); CAMPAIGNS * supply.advertisers.len()];
        (0..).zip(&of_ad).for_each(|(ad, &campaign)| ads[campaign].push(ad));
        let ids = (0..ads.len())
            .map(|row| format!("{}-{}", supply.advertisers[row / CAMPAIGNS].id, row % CAMPAIGNS + 1))
            .collect();
        Campaigns { of_ad, ads, ids }
    }
}

/// The money of one or both arms, and which ads may be shown for it.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    /// Daily budget of every campaign in cents; none has no limit.
    budgets: Vec<Option<i64>>,
    left: Vec<Option<i64>>,
    active: Vec<bool>,
    pub(crate) running: Vec<bool>,
}

impl Ledger {
    /// No ad is active yet. With `parts` ledgers each has its part of every budget.
    pub(crate) fn new(budgets: &[Option<i64>], parts: usize, ads: usize) -> Ledger {
        let budgets: Vec<Option<i64>> =
            budgets.iter().map(|budget| budget.map(|cents| cents / parts as i64)).collect();
        Ledger { left: budgets.clone(), budgets, active: vec![false; ads], running: vec![false; ads] }
    }

    /// An ad becomes active.
    pub(crate) fn activate(&mut self, row: u32, ads: &[Ad], campaigns: &Campaigns) {
        self.active[row as usize] = true;
        self.settle(campaigns.of_ad[row as usize], ads, campaigns);
    }

    /// All budgets are full again.
    pub(crate) fn begin_day(&mut self, ads: &[Ad], campaigns: &Campaigns) {
        self.left.clone_from(&self.budgets);
        (0..campaigns.ads.len()).for_each(|campaign| self.settle(campaign, ads, campaigns));
    }

    /// Charges a click; returns its price in cents. Of two clicks in one slate the second may cost less than its bid.
    pub(crate) fn charge(&mut self, row: u32, ads: &[Ad], campaigns: &Campaigns) -> i64 {
        let (campaign, bid) = (campaigns.of_ad[row as usize], ads[row as usize].bid_cents);
        let Some(left) = &mut self.left[campaign] else { return bid };
        let price = bid.min(*left);
        *left -= price;
        self.settle(campaign, ads, campaigns);
        price
    }

    fn settle(&mut self, campaign: usize, ads: &[Ad], campaigns: &Campaigns) {
        for &ad in &campaigns.ads[campaign] {
            let affordable = self.left[campaign].is_none_or(|left| ads[ad as usize].bid_cents <= left);
            self.running[ad as usize] = self.active[ad as usize] && affordable;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impressions::AdMarketConfig;

    #[test]
    fn a_campaign_pauses_for_the_day_when_it_cannot_pay() {
        let supply = Supply::generate(&AdMarketConfig::default());
        let campaigns = Campaigns::new(&supply);
        let campaign = campaigns.of_ad[0];
        let mut budgets = vec![None; campaigns.ads.len()];
        budgets[campaign] = Some(4 * supply.ads[0].bid_cents);
        let mut half = Ledger::new(&budgets, 2, supply.ads.len());
        assert!(!half.running[0]);
        half.activate(0, &supply.ads, &campaigns);
        let bid = supply.ads[0].bid_cents;
        assert_eq!(half.charge(0, &supply.ads, &campaigns), bid);
        assert!(half.running[0]);
        assert_eq!(half.charge(0, &supply.ads, &campaigns), bid);
        assert!(!half.running[0]);
        assert_eq!(half.charge(0, &supply.ads, &campaigns), 0);
        half.begin_day(&supply.ads, &campaigns);
        assert!(half.running[0]);
    }
}
