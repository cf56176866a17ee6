"""Writes a made-up impression log as a warehouse would export it: items.csv and log.csv in the current folder.

    python3 docs/clicks_log.py

Users like one of six subjects; ads of that subject are clicked and bought more often. Conversions come up to days later.
"""

import csv
import random

SUBJECTS = {
    "hiking": "boots backpack tent trail rain jacket",
    "cooking": "knife pan spice oven apron recipes",
    "music": "guitar strings amplifier drum piano lessons",
    "garden": "seeds spade hose roses compost gloves",
    "cycling": "helmet tyre pump saddle lights chain",
    "reading": "novel bookshelf lamp poetry atlas diary",
}
USERS, ADS, IMPRESSIONS, DAYS = 1_500, 240, 60_000, 35
START = 1_767_225_600  # 2026-01-01 00:00 UTC


def main():
    random.seed(1)
    subjects = list(SUBJECTS)
    ads = [(f"ad-{number:04}", random.choice(subjects)) for number in range(ADS)]
    with open("items.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["ad", "title"])
        for ad, subject in ads:
            words = random.sample(SUBJECTS[subject].split(), 3)
            out.writerow([ad, f"{subject}: {' '.join(words)}"])
    likes = {f"user-{number:05}": random.choice(subjects) for number in range(USERS)}
    rows = []
    for number in range(IMPRESSIONS):
        user, (ad, subject) = random.choice(list(likes)), random.choice(ads)
        shown, slot = START + random.uniform(0, DAYS * 86_400), random.randint(1, 4)
        rows.append((shown, f"i{number}", "", user, ad, "impression", slot))
        is_liked = likes[user] == subject
        if random.random() < (0.16 if is_liked else 0.02) / slot**0.5:
            clicked = shown + random.expovariate(1 / 20)
            rows.append((clicked, f"c{number}", f"i{number}", user, ad, "click", ""))
            if random.random() < (0.3 if is_liked else 0.1):
                bought = clicked + random.expovariate(1 / 86_400)
                rows.append((bought, f"b{number}", f"c{number}", user, ad, "conversion", ""))
    with open("log.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time", "event_id", "parent_event_id", "user", "ad", "what", "slot"])
        for time, *others in sorted(row for row in rows if row[0] < START + DAYS * 86_400):
            out.writerow([int(time), *others])


if __name__ == "__main__":
    main()
