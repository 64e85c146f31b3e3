//! Which cases of the suite run. All of groups 1 to 10 always; of the compression groups, which take minutes, every third
//! of each subgroup unless all are asked for, and of 13.7, the one with several offers, all.

/// Number of cases of each group, counted from the case files. A case that did not run is a complaint too.
const CASES: [(u32, usize); 11] = [
    (1, 16),
    (2, 11),
    (3, 7),
    (4, 10),
    (5, 20),
    (6, 145),
    (7, 37),
    (9, 54),
    (10, 1),
    (12, 90),
    (13, 126),
];

/// Cases in each subgroup of groups 12 and 13.
const IN_SUBGROUP: u32 = 18;

/// A group, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cases {
    pub(crate) group: u32,
    /// What `--include` is given.
    pub(crate) patterns: Vec<String>,
    /// How many cases that is.
    pub(crate) count: usize,
}

impl Cases {
    /// A whole group; nothing for 8 and 11, which are numbers without cases.
    pub(crate) fn of_group(group: u32) -> Option<Self> {
        let (_, count) = CASES.iter().find(|(number, _)| *number == group)?;
        Some(Self {
            group,
            patterns: vec![format!("{group}.*")],
            count: *count,
        })
    }

    /// Every third case of each subgroup of a compression group, and all of 13.7.
    fn sample(group: u32, subgroups: u32) -> Self {
        let every_third = |subgroup: u32| {
            (1..=IN_SUBGROUP)
                .step_by(3)
                .map(move |case| format!("{group}.{subgroup}.{case}"))
        };
        let sampled = (1..=subgroups).filter(|subgroup| (group, *subgroup) != (13, 7));
        let mut patterns: Vec<_> = sampled.flat_map(every_third).collect();
        let mut count = patterns.len();
        if group == 13 {
            patterns.push("13.7.*".to_owned());
            count += IN_SUBGROUP as usize;
        }
        Self {
            group,
            patterns,
            count,
        }
    }

    /// The groups up to this one, without compression.
    pub(crate) fn up_to(last: u32) -> Vec<Self> {
        (1..=last).filter_map(Self::of_group).collect()
    }

    /// The compression groups: all of them, or what is run every time.
    pub(crate) fn of_compression(all: bool) -> Vec<Self> {
        if all {
            [12, 13].into_iter().filter_map(Self::of_group).collect()
        } else {
            vec![Self::sample(12, 5), Self::sample(13, 7)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CASES, Cases};

    fn count(cases: &[Cases]) -> usize {
        cases.iter().map(|cases| cases.count).sum()
    }

    #[test]
    fn the_suite_has_517_cases_216_of_them_about_compression() {
        let all: usize = CASES.iter().map(|(_, cases)| cases).sum();
        assert_eq!(all, 517);
        assert_eq!(count(&Cases::up_to(10)), 301);
        assert_eq!(count(&Cases::of_compression(true)), 216);
        assert_eq!(Cases::up_to(10).len(), 9, "8 has no cases");
        assert_eq!(Cases::of_group(11), None);
    }

    #[test]
    fn the_sample_has_every_third_case_and_all_of_13_7() {
        let sample = Cases::of_compression(false);
        assert_eq!(count(&sample), 5 * 6 + 6 * 6 + 18);
        let patterns: Vec<_> = sample.iter().flat_map(|cases| &cases.patterns).collect();
        for one in ["12.1.1", "12.5.16", "13.6.4", "13.7.*"] {
            assert!(patterns.iter().any(|pattern| *pattern == one), "{one}");
        }
        assert!(!patterns.iter().any(|pattern| *pattern == "12.1.2"));
    }
}
