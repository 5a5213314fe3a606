-- title = "Largest countries by day"
-- description = "Different aircraft by day, UTC, of the eight countries of registration with most over the days chosen or the last 90. The newest day is not over yet."
-- display = "line"
--
-- [columns]
-- fetch_date = "Day (UTC)"
-- country = "Country of registration"
-- aircraft = "Aircraft"
--
-- [settings]
-- "graph.dimensions" = ["fetch_date", "country"]
-- "graph.metrics" = ["aircraft"]
-- "graph.x_axis.scale" = "timeseries"
-- "graph.x_axis.labels_enabled" = false
-- "graph.y_axis.title_text" = "Aircraft"
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
),

days as (
    select
        country_daily.fetch_date,
        coalesce(nullif(country_daily.origin_country, ''), '(none)') as country,
        country_daily.unique_aircraft as aircraft
    from country_daily
    cross join last_day
    where
        country_daily.fetch_date >= coalesce([[cast({{from_day}} as date),]] last_day.fetch_date - 89)
        and country_daily.fetch_date <= last_day.fetch_date
        [[and coalesce(nullif(country_daily.origin_country, ''), '(none)') = {{country}}]]
        [[and country_daily.region = {{region}}]]
),

largest as (
    select country
    from days
    group by country
    order by sum(aircraft) desc, country
    limit 8
)

select
    days.fetch_date,
    days.country,
    days.aircraft
from days
inner join largest on days.country = largest.country
order by days.fetch_date, days.aircraft desc, days.country
