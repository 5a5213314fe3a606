-- title = "Countries and aircraft by day"
-- description = "Different aircraft (bars) and countries of registration (line) of each day, UTC, of those chosen or the last 90. The newest day is not over yet."
-- display = "combo"
--
-- [columns]
-- fetch_date = "Day (UTC)"
-- aircraft = "Aircraft"
-- countries = "Countries of registration"
--
-- [settings]
-- "graph.dimensions" = ["fetch_date"]
-- "graph.metrics" = ["aircraft", "countries"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- series_settings = { aircraft = { display = "bar", axis = "left" }, countries = { display = "line", axis = "right" } }
--
-- [parameters.country]
-- title = "Country of registration"
-- type = "text"
-- values = "models/country_stats.country"
--
-- [parameters.region]
-- title = "Region of registration"
-- type = "text"
-- values = "regions/by_region.region"
--
-- [parameters.from_day]
-- title = "From day (UTC)"
-- type = "date"
--
-- [parameters.to_day]
-- title = "To day (UTC)"
-- type = "date"

with last_day as (
    select least([[cast({{to_day}} as date),]] max(fetch_date)) as fetch_date
    from country_daily
)

select
    country_daily.fetch_date,
    cast(sum(country_daily.unique_aircraft) as bigint) as aircraft,
    count(nullif(country_daily.origin_country, '')) as countries
from country_daily
cross join last_day
where
    country_daily.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 89)
    and country_daily.fetch_date <= last_day.fetch_date
    [[and coalesce(nullif(country_daily.origin_country, ''), '(none)') = {{country}}]]
    [[and country_daily.region = {{region}}]]
group by country_daily.fetch_date
order by country_daily.fetch_date
