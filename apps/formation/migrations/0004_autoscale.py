from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("formation", "0003_crash_back_off"),
    ]

    operations = [
        migrations.AddField(
            model_name="process",
            name="autoscale",
            field=models.JSONField(null=True),
        ),
    ]
