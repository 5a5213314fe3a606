//! Great circles on a sphere: the shortest way between two places, and where one is after
//! some distance along it.

/// Mean radius of the Earth in metres (IUGG).
pub const EARTH_RADIUS: f64 = 6_371_008.8;

/// A point on the way: where it is, and which way the path leads there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east, from -180 to 180.
    pub longitude: f64,
    /// Direction of travel, degrees clockwise from north, from 0 up to 360.
    pub track: f64,
}

/// The shortest path between two points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreatCircle {
    start: [f64; 3],
    /// Unit vector at the start that points along the path.
    heading: [f64; 3],
    length: f64,
}

impl GreatCircle {
    /// The path between two (latitude, longitude) pairs in degrees. Where no path is
    /// shorter than the others (equal or opposite points) it leads over a pole.
    pub fn between(from: (f64, f64), to: (f64, f64)) -> Self {
        let start = unit_vector(from);
        let end = unit_vector(to);
        let cosine = dot(start, end);
        let across = [
            end[0] - cosine * start[0],
            end[1] - cosine * start[1],
            end[2] - cosine * start[2],
        ];
        let sine = dot(across, across).sqrt();
        let heading = if sine > 1e-12 {
            across.map(|part| part / sine)
        } else {
            let (east_sine, east_cosine) = from.1.to_radians().sin_cos();
            let (north_sine, north_cosine) = from.0.to_radians().sin_cos();
            [
                -north_sine * east_cosine,
                -north_sine * east_sine,
                north_cosine,
            ]
        };
        Self {
            start,
            heading,
            length: EARTH_RADIUS * sine.atan2(cosine),
        }
    }

    /// Length in metres.
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The point `distance` metres from the start.
    pub fn at(&self, distance: f64) -> Fix {
        let (sine, cosine) = (distance / EARTH_RADIUS).sin_cos();
        let mut point = [0.0; 3];
        let mut along = [0.0; 3];
        for axis in 0..3 {
            point[axis] = self.start[axis] * cosine + self.heading[axis] * sine;
            along[axis] = self.heading[axis] * cosine - self.start[axis] * sine;
        }
        // East at the point is (-y, x, 0) over the distance from the axis; the northward
        // share of `along` is then z's, over the same distance.
        let from_axis = point[0].hypot(point[1]);
        let eastward = (along[1] * point[0] - along[0] * point[1]) / from_axis;
        let northward = along[2] / from_axis;
        Fix {
            latitude: point[2].atan2(from_axis).to_degrees(),
            longitude: point[1].atan2(point[0]).to_degrees(),
            track: eastward.atan2(northward).to_degrees().rem_euclid(360.0),
        }
    }
}

/// Distance in metres between two (latitude, longitude) pairs in degrees.
pub fn distance(from: (f64, f64), to: (f64, f64)) -> f64 {
    GreatCircle::between(from, to).length()
}

fn unit_vector((latitude, longitude): (f64, f64)) -> [f64; 3] {
    let (north_sine, north_cosine) = latitude.to_radians().sin_cos();
    let (east_sine, east_cosine) = longitude.to_radians().sin_cos();
    [
        north_cosine * east_cosine,
        north_cosine * east_sine,
        north_sine,
    ]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_close(actual: f64, expected: f64, tolerance: f64) {
        assert!(
            (actual - expected).abs() <= tolerance,
            "{actual} is not within {tolerance} of {expected}"
        );
    }

    #[test]
    fn known_distances_and_tracks() {
        // Frankfurt to New York, by the spherical law of cosines.
        let path = GreatCircle::between((50.0333, 8.5706), (40.6398, -73.7789));
        check_close(path.length(), 6_189_450.7, 1.0);
        check_close(path.at(0.0).track, 294.386_234, 1e-5);
        // A quarter of the equator.
        let path = GreatCircle::between((0.0, 0.0), (0.0, 90.0));
        check_close(
            path.length(),
            EARTH_RADIUS * std::f64::consts::FRAC_PI_2,
            1.0,
        );
        check_close(path.at(1_000_000.0).track, 90.0, 1e-9);
    }

    #[test]
    fn equal_and_opposite_points_have_finite_paths() {
        for to in [(10.0, 20.0), (-10.0, -160.0)] {
            let fix = GreatCircle::between((10.0, 20.0), to).at(1_000.0);
            assert!(fix.latitude.is_finite() && fix.longitude.is_finite());
            check_close(fix.track, 0.0, 1e-6);
        }
    }

    fn place() -> impl Strategy<Value = (f64, f64)> {
        (-85.0..85.0_f64, -180.0..180.0_f64)
    }

    proptest! {
        #[test]
        fn a_path_starts_ends_and_divides_where_it_should(
            from in place(),
            to in place(),
            share in 0.0..1.0_f64,
        ) {
            let path = GreatCircle::between(from, to);
            let point = |fix: Fix| (fix.latitude, fix.longitude);
            // 1 mm is far below what four decimals of a degree can show.
            prop_assert!(distance(point(path.at(0.0)), from) < 1e-3);
            prop_assert!(distance(point(path.at(path.length())), to) < 1e-3);
            let middle = path.at(share * path.length());
            prop_assert!((distance(from, point(middle)) - share * path.length()).abs() < 1e-3);
            prop_assert!((distance(point(middle), to) - (1.0 - share) * path.length()).abs() < 1e-3);
            prop_assert!((-90.0..=90.0).contains(&middle.latitude));
            prop_assert!((-180.0..=180.0).contains(&middle.longitude));
            prop_assert!((0.0..=360.0).contains(&middle.track));
        }

        #[test]
        fn following_the_track_leads_along_the_path(
            from in place(),
            to in place(),
            share in 0.05..0.9_f64,
        ) {
            let path = GreatCircle::between(from, to);
            prop_assume!(path.length() > 100_000.0 && path.length() < 19_000_000.0);
            let here = path.at(share * path.length());
            let next = path.at(share * path.length() + 1_000.0);
            prop_assume!(here.latitude.abs() < 80.0);
            let there = GreatCircle::between(
                (here.latitude, here.longitude),
                (next.latitude, next.longitude),
            );
            let turn = (there.at(0.0).track - here.track + 540.0).rem_euclid(360.0) - 180.0;
            prop_assert!(turn.abs() < 0.01, "{turn} degrees");
        }
    }
}
