"""Intensity from motion and from a source, held to the published formulas at values worked out by
hand.
"""

import numpy as np
import pytest

from ew.shaking.relations import csis_from_motion, csis_sichuan, mmi_from_motion


@pytest.mark.parametrize(
    ("pga_m_s2", "pgv_m_s", "intensity"),
    [
        (0.1, 0.01, 3.595),  # (3.42 + 3.77) / 2
        (0.01, 0.001, 1.0),  # 0.25 and 0.77: held to 1
        (0.5, 0.01, 4.703),  # (5.636 + 3.77) / 2
        (1.0, 0.1, 6.77),  # 6.59 and 6.77: velocity alone
        (10.0, 1.0, 9.77),  # 9.76 and 9.77: velocity alone
    ],
)
def test_csis_from_motion_is_that_of_gb_t_17742_2020(
    pga_m_s2: float, pgv_m_s: float, intensity: float
) -> None:
    assert csis_from_motion(pga_m_s2, pgv_m_s) == pytest.approx(intensity, abs=0.005)


def test_mmi_from_motion_is_that_of_worden_2012_on_both_sides_of_its_bend() -> None:
    # 10 cm/s² and 1 cm/s: (3.33 + 3.78) / 2; 100 cm/s² and 10 cm/s: (5.80 + 6.05) / 2
    assert mmi_from_motion(0.1, 0.01) == pytest.approx(3.555, abs=0.005)
    assert mmi_from_motion(1.0, 0.1) == pytest.approx(5.925, abs=0.005)


def test_deep_source_shakes_less_than_a_shallow_one() -> None:
    at = np.array([0.0, 100.0])
    shallow, deep = csis_sichuan(6.5, at, 12.0), csis_sichuan(6.5, at, 200.0)
    assert shallow[0] == pytest.approx(3.6113 + 1.4347 * 6.5 - 3.8477 * np.log10(13.0))
    assert deep[0] == pytest.approx(3.6113 + 1.4347 * 6.5 - 3.8477 * np.log10(200.0))
    assert (deep < shallow).all()
