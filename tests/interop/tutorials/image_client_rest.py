"""Sends an image file as base64 and prints its class and how long an answer takes: image_client_rest.py http://HOST:PORT IMAGE"""
import base64
import json
import sys

import requests

url = f"{sys.argv[1]}/v1/models/colours:predict"
with open(sys.argv[2], "rb") as file:
    encoded = base64.b64encode(file.read()).decode("utf-8")
request = json.dumps({"instances": [{"b64": encoded}]})
for _ in range(3):  # the model may do work for the first requests only
    requests.post(url, data=request).raise_for_status()
seconds = 0.0
for _ in range(10):
    response = requests.post(url, data=request)
    response.raise_for_status()
    seconds += response.elapsed.total_seconds()
    prediction = response.json()["predictions"][0]
print(f"Prediction class: {prediction['classes']}, avg latency: {seconds * 1000 / 10} ms")
