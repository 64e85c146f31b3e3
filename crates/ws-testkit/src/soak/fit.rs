//! A line through samples that a few wild ones do not turn: the median of the slopes of all pairs (Theil and Sen).

/// More points than this are thinned out evenly: pairs grow with the square.
const POINTS: usize = 400;

/// The slope of the line through `(x, y)`, in y per x. None with fewer than two different x.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let step = points.len().div_ceil(POINTS).max(1);
    let points: Vec<_> = points.iter().step_by(step).copied().collect();
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, (x, y)) in points.iter().enumerate() {
        for (later_x, later_y) in points.iter().skip(index + 1) {
            if later_x != x {
                slopes.push((later_y - y) / (later_x - x));
            }
        }
    }
    median(slopes)
}

/// The middle of the values; None of none.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle - 1).map(|lower| (lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(count: usize, y: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..count).map(|x| (x as f64, y(x as f64))).collect()
    }

    #[test]
    fn a_straight_line_has_its_slope_however_many_points() {
        for count in [2, 3, 10, 399, 400, 401, 5000] {
            let found = slope(&line(count, |x| 7.0 - 2.5 * x)).unwrap();
            assert!((found + 2.5).abs() < 1e-9, "{count}: {found}");
        }
    }

    #[test]
    fn a_few_wild_samples_do_not_turn_the_line() {
        let mut points = line(40, |x| 100.0 + x);
        for wild in [3, 17, 39] {
            points[wild].1 = 1e9;
        }
        let found = slope(&points).unwrap();
        assert!((found - 1.0).abs() < 0.01, "{found}");
    }

    #[test]
    fn what_goes_up_and_down_is_flat() {
        let found = slope(&line(100, |x| if x % 2.0 == 0.0 { 5.0 } else { 9.0 })).unwrap();
        assert!(found.abs() < 0.05, "{found}");
    }

    #[test]
    fn one_moment_has_no_slope() {
        assert_eq!(slope(&[]), None);
        assert_eq!(slope(&[(1.0, 2.0)]), None);
        assert_eq!(slope(&[(1.0, 2.0), (1.0, 9.0)]), None);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }
}
